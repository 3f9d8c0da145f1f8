{{ config(materialized='table') }}

{{ distinct_codes('items', 'item_id') }}

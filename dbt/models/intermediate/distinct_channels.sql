{{ config(materialized='table') }}

{{ distinct_codes('channels', 'channel') }}

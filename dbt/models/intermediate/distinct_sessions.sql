{{ config(materialized='table') }}

{{ distinct_codes('sessions', 'session_id') }}

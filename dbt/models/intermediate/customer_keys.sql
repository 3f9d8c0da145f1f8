{{ config(materialized='table') }}

-- Every customer of the snapshot and the number that stands for it inside this build.
select customer_id, {{ customer_key('customer_id') }} as customer
from (select distinct customer_id from {{ ref('known_days') }}) as customers

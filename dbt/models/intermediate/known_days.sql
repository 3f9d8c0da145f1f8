select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    event_day,
    available_day,
    event_type,
    events,
    amount,
    amount_without_sign,
    quantity,
    night,
    morning,
    afternoon,
    evening,
    country,
    plan
from {{ source('lake', 'customer_days') }}
union all
select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    event_day,
    available_day,
    event_type,
    events,
    amount,
    amount_without_sign,
    quantity,
    night,
    morning,
    afternoon,
    evening,
    country,
    plan
from {{ ref('customer_days') }}

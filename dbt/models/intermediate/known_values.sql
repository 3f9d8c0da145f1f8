select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    event_day,
    available_day,
    item_id,
    channel,
    session_id
from {{ source('lake', 'customer_day_values') }}
union all
select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    event_day,
    available_day,
    item_id,
    channel,
    session_id
from {{ ref('customer_day_values') }}

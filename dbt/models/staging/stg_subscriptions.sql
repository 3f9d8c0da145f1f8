select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    record_id,
    valid_from,
    available_at,
    plan,
    status,
    price
from {{ source('lake', 'subscriptions') }}

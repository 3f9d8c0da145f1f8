select
    customer_id,
    record_id,
    valid_from,
    available_at,
    plan,
    status,
    price
from {{ source('lake', 'subscriptions') }}

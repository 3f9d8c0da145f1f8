select
    customer_id,
    event_id,
    event_time,
    cast(event_time as date) as event_day,
    cast({{ available_day('available_at') }} as date) as available_day,
    event_type,
    amount,
    quantity,
    channel,
    item_id,
    session_id,
    country,
    plan,
    ingest_seq
from {{ source('lake', 'activity') }}

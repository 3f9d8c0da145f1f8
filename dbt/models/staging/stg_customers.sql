select
    customer_id,
    record_id,
    valid_from,
    available_at,
    country,
    segment,
    age_band,
    income_band,
    household
from {{ source('lake', 'customers') }}

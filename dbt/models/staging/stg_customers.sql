select
    customer_id,
    {{ customer_key('customer_id') }} as customer,
    record_id,
    valid_from,
    available_at,
    country,
    segment,
    age_band,
    income_band,
    household
from {{ source('lake', 'customers') }}

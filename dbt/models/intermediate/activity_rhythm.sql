{{ config(materialized='table') }}

-- Which days a customer was active on, and the days from one to the next. `before` is the age of the day before.
with
active as (
    select customer, event_day, min(available_day) as available_day
    from {{ ref('known_days') }}
    group by customer, event_day
)

{% for cutoff in var('cutoffs') %}
select
    customer,
    cast('{{ cutoff.day }}' as date) as cutoff,
    min(age) as recency_days,
    max(age) as tenure_days,
    {% for window, days in windows().items() %}
    count({{ within(days, '1') }}) as active_days_{{ window }},
    {% endfor %}
    count({{ within(180, '1') }}) as active_days_180d,
    count(before) as gaps,
    max(before - age) as gap_max_days,
    sum((before - age) * (before - age)) as gap_squares,
    count({{ within(90, 'before') }}) as gaps_90d,
    sum({{ within(90, '(before - age)') }}) as gap_sum_90d,
    -- The youngest day that has a gap, and the gap, as one number.
    min(age * 1000000 + (before - age)) % 1000000 as gap_last_days,
    count({{ within(90, 'case when before is null or before > 90 or ' ~ whole('before - 1', 7) ~ ' <> ' ~ whole('age - 1', 7) ~ ' then 1 end') }}) as active_weeks_90d,
    count(case when before is null or {{ whole('before - 1', 30) }} <> {{ whole('age - 1', 30) }} then 1 end) as active_months_total
from (
    select customer, age, lag(age) over (partition by customer order by age desc) as before
    from (
        select customer, {{ days_between('event_day', "cast('" ~ cutoff.day ~ "' as date)") }} as age
        from active
        where event_day < cast('{{ cutoff.day }}' as date) and available_day <= cast('{{ cutoff.day }}' as date)
    ) as days
) as gapped
group by customer
having min(age) <= {{ var('active_days') }}
{{ 'union all' if not loop.last }}
{% endfor %}

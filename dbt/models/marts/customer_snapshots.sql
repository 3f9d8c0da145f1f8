{% set summed = ['events', 'purchases', 'returns', 'clicks', 'logins', 'amount', 'quantity'] %}
{% set bands = ['night', 'morning', 'afternoon', 'evening'] %}

with
joined as (
    select
        tokens.customer_id,
        rhythm.cutoff,
        {% for window in windows() %}
        {% for name in summed %}
        cast(sums.{{ name }}_{{ window }} as double) as {{ name }}_{{ window }},
        {% endfor %}
        {% for name in ['items', 'channels', 'sessions'] %}
        cast(coalesce({{ name }}.{{ name }}_{{ window }}, 0) as double) as {{ name }}_{{ window }},
        {% endfor %}
        cast(rhythm.active_days_{{ window }} as double) as active_days_{{ window }},
        {% endfor %}
        cast(sums.amount_180d as double) as amount_180d,
        cast(sums.returned_amount_total as double) as returned_amount_total,
        cast(sums.purchase_recency_days as double) as purchase_recency_days,
        {% for name in bands + ['weekend'] %}
        {{ per('sums.' ~ name, 'sums.events_total') }} as {{ name }}_share,
        {% endfor %}
        cast(rhythm.active_days_180d as double) as active_days_180d,
        cast(rhythm.recency_days as double) as recency_days,
        cast(rhythm.tenure_days as double) as tenure_days,
        {{ per('rhythm.tenure_days - rhythm.recency_days', 'rhythm.gaps') }} as gap_mean_days,
        cast(rhythm.gap_last_days as double) as gap_last_days,
        cast(rhythm.gap_max_days as double) as gap_max_days,
        sqrt({{ per(
            'rhythm.gaps * rhythm.gap_squares - (rhythm.tenure_days - rhythm.recency_days) * (rhythm.tenure_days - rhythm.recency_days)',
            'rhythm.gaps * (rhythm.gaps - 1)'
        ) }}) as gap_deviation_days,
        {{ per('rhythm.gap_sum_90d', 'rhythm.gaps_90d') }} as gap_mean_90d,
        cast(rhythm.active_weeks_90d as double) as active_weeks_90d,
        cast(rhythm.active_months_total as double) as active_months_total,
        {{ per('rhythm.active_days_total', 'rhythm.tenure_days') }} as active_day_rate,
        cast(subscriptions.price as double) as subscription_price,
        cast(subscriptions.age_days as double) as subscription_age_days,
        cast(coalesce(subscriptions.changes_90d, 0) as double) as subscription_changes_90d,
        cast(coalesce(subscriptions.changes_total, 0) as double) as subscription_changes_total,
        coalesce(subscriptions.plan, plans.code) as plan,
        subscriptions.status as subscription_status,
        coalesce(customers.country, countries.code) as country,
        customers.segment,
        customers.age_band,
        customers.income_band,
        customers.household,
        case
            when cutoffs.labelled then coalesce(labels.active, 0) = 0 or coalesce(labels.cancelled, 0) = 1
        end as churned
    from {{ ref('activity_rhythm') }} as rhythm
    inner join {{ ref('customer_keys') }} as tokens on rhythm.customer = tokens.customer
    inner join {{ ref('cutoffs') }} as cutoffs on rhythm.cutoff = cutoffs.cutoff
    inner join {{ ref('activity_sums') }} as sums
        on rhythm.customer = sums.customer and rhythm.cutoff = sums.cutoff
    left join {{ ref('distinct_items') }} as items
        on rhythm.customer = items.customer and rhythm.cutoff = items.cutoff
    left join {{ ref('distinct_channels') }} as channels
        on rhythm.customer = channels.customer and rhythm.cutoff = channels.cutoff
    left join {{ ref('distinct_sessions') }} as sessions
        on rhythm.customer = sessions.customer and rhythm.cutoff = sessions.cutoff
    left join {{ ref('named_codes') }} as countries
        on rhythm.customer = countries.customer and rhythm.cutoff = countries.cutoff and countries.kind = 'country'
    left join {{ ref('named_codes') }} as plans
        on rhythm.customer = plans.customer and rhythm.cutoff = plans.cutoff and plans.kind = 'plan'
    left join {{ ref('customer_records') }} as customers
        on rhythm.customer = customers.customer and rhythm.cutoff = customers.cutoff
    left join {{ ref('subscription_records') }} as subscriptions
        on rhythm.customer = subscriptions.customer and rhythm.cutoff = subscriptions.cutoff
    left join {{ ref('labels') }} as labels
        on rhythm.customer = labels.customer and rhythm.cutoff = labels.cutoff
)

select
    *,
    gap_mean_90d / gap_mean_days as gap_trend,
    recency_days / gap_mean_days as overdue_ratio,
    recency_days / gap_max_days as overdue_max_ratio,
    (recency_days - gap_mean_days) / nullif(gap_deviation_days, 0) as overdue_deviations,
    active_day_rate * recency_days as silent_days_expected,
    {% for window in ['90d', 'total'] %}
    {{ per('returns_' ~ window, 'returns_' ~ window ~ ' + purchases_' ~ window) }} as return_share_{{ window }},
    {{ per('amount_' ~ window, 'active_days_' ~ window) }} as amount_per_active_day_{{ window }},
    {% endfor %}
    {{ per('amount_total', 'purchases_total') }} as amount_per_purchase_total,
    {{ per('events_total', 'active_days_total') }} as events_per_active_day_total,
    {{ per('items_90d', 'active_days_90d') }} as items_per_active_day_90d,
    {% for name in ['events', 'active_days', 'amount'] %}
    {{ per(name ~ '_30d', name ~ '_90d') }} * 3 as {{ name }}_trend{{ ',' if not loop.last }}
    {% endfor %}
from joined

// Generated from the migrations; a test compares it with the database. Regenerate: see docs/ARCHITECTURE.md.

diesel::table! {
    admin_users (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        email -> Text,
        email_key -> Text,
        name -> Text,
        role -> Text,
        password_hash -> Nullable<Text>,
        created_at -> Timestamptz,
        status -> Text,
        version -> Int8,
        updated_at -> Timestamptz,
        second_factor_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    client_assertions (store_id, client_id, jti_hash) {
        store_id -> Uuid,
        client_id -> Uuid,
        jti_hash -> Bytea,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    clients (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        name -> Text,
        auth_method -> Text,
        scopes -> Array<Text>,
        secret_hash -> Nullable<Bytea>,
        secret_id -> Uuid,
        secret_used_at -> Nullable<Timestamptz>,
        former_hash -> Nullable<Bytea>,
        former_until -> Nullable<Timestamptz>,
        jwks -> Nullable<Jsonb>,
        allowed_ips -> Array<Text>,
        generation -> Uuid,
        last_used_at -> Nullable<Timestamptz>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    counters (store_id, name) {
        store_id -> Uuid,
        name -> Text,
        value -> Int8,
    }
}

diesel::table! {
    email_verifications (store_id, member_id) {
        store_id -> Uuid,
        member_id -> Uuid,
        token_hash -> Nullable<Bytea>,
        expires_at -> Nullable<Timestamptz>,
        verified_at -> Nullable<Timestamptz>,
        submits -> Bool,
    }
}

diesel::table! {
    event_seals (store_id, last_seq) {
        store_id -> Uuid,
        last_seq -> Int8,
        last_at -> Timestamptz,
        seal -> Bytea,
        marks -> Bytea,
        sealed_at -> Timestamptz,
        dropped -> Nullable<Bytea>,
    }
}

diesel::table! {
    events (store_id, seq) {
        store_id -> Uuid,
        seq -> Int8,
        id -> Uuid,
        #[sql_name = "type"]
        type_ -> Text,
        subject_type -> Text,
        subject_id -> Uuid,
        actor -> Text,
        data -> Jsonb,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (store_id, caller, key) {
        store_id -> Uuid,
        caller -> Text,
        key -> Text,
        fingerprint -> Bytea,
        subject -> Nullable<Uuid>,
        locked_until -> Timestamptz,
        lock_token -> Uuid,
        status -> Nullable<Int2>,
        answer_sealed -> Nullable<Bytea>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    invitations (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        user_id -> Uuid,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    issuer_names (issuer, audience) {
        issuer -> Text,
        audience -> Text,
        store_id -> Uuid,
    }
}

diesel::table! {
    issuers (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        issuer -> Text,
        jwks_uri -> Nullable<Text>,
        audience -> Text,
        subjects -> Text,
        match_claim -> Text,
        match_to -> Text,
        max_scopes -> Array<Text>,
        jwks -> Nullable<Jsonb>,
        keys_read_at -> Nullable<Timestamptz>,
        keys_tried_at -> Nullable<Timestamptz>,
        keys_failure -> Nullable<Text>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    job_items (store_id, job_id, position) {
        store_id -> Uuid,
        job_id -> Uuid,
        position -> Int4,
        subject -> Nullable<Uuid>,
        outcome -> Text,
        code -> Nullable<Text>,
        errors -> Jsonb,
        line -> Nullable<Int4>,
        made -> Nullable<Uuid>,
    }
}

diesel::table! {
    job_portions (store_id, job_id, number) {
        store_id -> Uuid,
        job_id -> Uuid,
        number -> Int4,
        first -> Int4,
        last -> Int4,
        input -> Nullable<Bytea>,
        failures -> Int4,
        next_try_at -> Timestamptz,
        lease -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        done_at -> Nullable<Timestamptz>,
        staged -> Nullable<Bytea>,
        staged_members -> Nullable<Array<Uuid>>,
        lines -> Nullable<Array<Int4>>,
    }
}

diesel::table! {
    jobs (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        state -> Text,
        actor -> Text,
        total -> Int4,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        options -> Jsonb,
        version -> Int8,
        succeeded -> Int4,
        refused -> Int4,
        unknown -> Int4,
        skipped -> Int4,
        served_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    members (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        number -> Text,
        status -> Text,
        profile -> Jsonb,
        email_key -> Text,
        password_hash -> Nullable<Text>,
        payment_methods -> Array<Text>,
        application_status -> Text,
        reported_status -> Nullable<Text>,
        customer_number -> Nullable<Text>,
        number_imported -> Bool,
        checked_at -> Nullable<Timestamptz>,
        submitted_at -> Nullable<Timestamptz>,
        link_used_at -> Nullable<Timestamptz>,
        paid_id -> Nullable<Text>,
        last_error -> Nullable<Jsonb>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        password_reset_at -> Nullable<Timestamptz>,
        search_text -> Text,
        external_id -> Nullable<Text>,
        metadata -> Jsonb,
        updated_day -> Date,
    }
}

diesel::table! {
    operations (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        order_id -> Nullable<Uuid>,
        member_id -> Nullable<Uuid>,
        environment -> Text,
        paid_key -> Text,
        body -> Jsonb,
        plan -> Jsonb,
        actor -> Text,
        state -> Text,
        may_have_arrived -> Bool,
        giving_up -> Bool,
        drives -> Int4,
        next_try_at -> Timestamptz,
        lease -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        outcome -> Nullable<Jsonb>,
        started_at -> Timestamptz,
        settled_at -> Nullable<Timestamptz>,
        refusal -> Nullable<Jsonb>,
        scheduled_at -> Timestamptz,
        looks_again -> Bool,
    }
}

diesel::table! {
    orders (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        number -> Text,
        member_id -> Uuid,
        placed_at -> Timestamptz,
        cancelled_at -> Nullable<Timestamptz>,
        handling_status -> Text,
        payment_method -> Text,
        lines -> Jsonb,
        shipping_fee -> Int8,
        payment_fee -> Int8,
        tax_rounding -> Text,
        totals -> Jsonb,
        total -> Int8,
        note -> Text,
        internal_note -> Text,
        announced -> Bool,
        discarded_at -> Nullable<Timestamptz>,
        version -> Int8,
        updated_at -> Timestamptz,
        external_id -> Nullable<Text>,
        metadata -> Jsonb,
        updated_day -> Date,
    }
}

diesel::table! {
    paid_settings (store_id) {
        store_id -> Uuid,
        merchant_id -> Nullable<Text>,
        auth_code_sealed -> Nullable<Bytea>,
        auth_code_last4 -> Nullable<Text>,
        environment -> Text,
        enabled -> Bool,
        enable_for_new_members -> Bool,
        show_member_banner -> Bool,
        health -> Text,
        health_at -> Nullable<Timestamptz>,
        version -> Int8,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    password_tokens (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        member_id -> Uuid,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
        created_by -> Text,
    }
}

diesel::table! {
    payments (store_id, order_id) {
        store_id -> Uuid,
        order_id -> Uuid,
        status -> Text,
        amount -> Int8,
        environment -> Text,
        merchant_id -> Text,
        credit_key -> Text,
        customer_number -> Text,
        checked_at -> Nullable<Timestamptz>,
        confirmed_at -> Nullable<Timestamptz>,
        fixed_on -> Nullable<Date>,
        cancelled_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Jsonb>,
        flag -> Nullable<Text>,
        seen_status -> Nullable<Text>,
        seen_amount -> Nullable<Int8>,
        accepted_total -> Nullable<Int8>,
        accepted_amount -> Nullable<Int8>,
        created_at -> Timestamptz,
        version -> Int8,
        order_total -> Nullable<Int8>,
        order_label -> Nullable<Text>,
        order_day -> Nullable<Date>,
        order_on_paid -> Nullable<Bool>,
        apart -> Bool,
        accepted -> Bool,
        listed -> Bool,
    }
}

diesel::table! {
    products (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        code -> Text,
        name -> Text,
        unit_price -> Int8,
        tax_rate -> Int2,
        active -> Bool,
        paid_allowed -> Bool,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        external_id -> Nullable<Text>,
        metadata -> Jsonb,
    }
}

diesel::table! {
    provider_calls (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        order_id -> Nullable<Uuid>,
        member_id -> Nullable<Uuid>,
        operation_id -> Nullable<Uuid>,
        call -> Text,
        outcome -> Text,
        codes -> Array<Text>,
        http_status -> Nullable<Int2>,
        duration_ms -> Int4,
        called_at -> Timestamptz,
    }
}

diesel::table! {
    second_factors (store_id, user_id) {
        store_id -> Uuid,
        user_id -> Uuid,
        secret_sealed -> Bytea,
        last_step -> Int8,
        failures -> Int4,
        failed_at -> Nullable<Timestamptz>,
        recovery_hashes -> Bytea,
    }
}

diesel::table! {
    service_keys (name) {
        name -> Text,
        secret_sealed -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        member_id -> Nullable<Uuid>,
        user_id -> Nullable<Uuid>,
        refresh_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        rotation -> Int4,
        former_refresh_hash -> Nullable<Bytea>,
        rotated_at -> Nullable<Timestamptz>,
        rotated_from -> Nullable<Text>,
        proved_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        secret_sealed -> Bytea,
        public_key -> Bytea,
        created_at -> Timestamptz,
        signs_from -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    stores (store_id) {
        store_id -> Uuid,
        slug -> Text,
        publishable_key -> Text,
        name -> Text,
        member_approval -> Text,
        tax_rounding -> Text,
        invoice_registration_number -> Nullable<Text>,
        status_refresh_minutes -> Int4,
        unconfirmed_alert_days -> Int4,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        applications_per_hour -> Int4,
        require_second_factor -> Bool,
        require_email_verification -> Bool,
    }
}

diesel::table! {
    tallies (store_id, what, day, status, label, marks) {
        store_id -> Uuid,
        what -> Text,
        day -> Date,
        status -> Text,
        label -> Text,
        marks -> Int2,
        count -> Int8,
        amount -> Numeric,
        difference -> Numeric,
    }
}

diesel::table! {
    tally_changes (store_id, id) {
        store_id -> Uuid,
        id -> Int8,
        what -> Text,
        day -> Date,
        status -> Text,
        label -> Text,
        marks -> Int2,
        count -> Int8,
        amount -> Numeric,
        difference -> Numeric,
    }
}

diesel::table! {
    unknown_codes (store_id, subject_id) {
        store_id -> Uuid,
        subject_id -> Uuid,
        subject_type -> Text,
        codes -> Array<Text>,
        accepted_at -> Nullable<Timestamptz>,
        flagged_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_deliveries (store_id, webhook_id, event_id) {
        store_id -> Uuid,
        webhook_id -> Uuid,
        event_id -> Uuid,
        seq -> Nullable<Int8>,
        #[sql_name = "type"]
        type_ -> Text,
        subject_id -> Uuid,
        state -> Text,
        attempt -> Int4,
        taken -> Int4,
        next_try_at -> Nullable<Timestamptz>,
        attempted_at -> Nullable<Timestamptz>,
        url -> Nullable<Text>,
        status_code -> Nullable<Int2>,
        duration_ms -> Nullable<Int4>,
        failure -> Nullable<Text>,
        response_excerpt -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhooks (store_id, id) {
        store_id -> Uuid,
        id -> Uuid,
        client_id -> Nullable<Uuid>,
        url -> Text,
        events -> Array<Text>,
        scopes -> Array<Text>,
        status -> Text,
        disabled_reason -> Nullable<Text>,
        secret_sealed -> Bytea,
        secret_id -> Uuid,
        former_sealed -> Nullable<Bytea>,
        former_until -> Nullable<Timestamptz>,
        place -> Int8,
        failing_since -> Nullable<Timestamptz>,
        last_delivered_at -> Nullable<Timestamptz>,
        lease_token -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        worked_at -> Nullable<Timestamptz>,
        testing_until -> Nullable<Timestamptz>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    admin_users,
    client_assertions,
    clients,
    counters,
    email_verifications,
    event_seals,
    events,
    idempotency_keys,
    invitations,
    issuer_names,
    issuers,
    job_items,
    job_portions,
    jobs,
    members,
    operations,
    orders,
    paid_settings,
    password_tokens,
    payments,
    products,
    provider_calls,
    second_factors,
    service_keys,
    sessions,
    signing_keys,
    stores,
    tallies,
    tally_changes,
    unknown_codes,
    webhook_deliveries,
    webhooks,
);

//! The kinds of events in the log. Events carry ids, amounts, statuses and the names of changed personal fields, never
//! their values, never a secret.

text_enum! {
    /// What happened.
    EventType {
        /// Credentials or switches of Paid were changed.
        PaidSettingsChanged = "settings.paid_changed" ("Paid設定の変更", "Paid settings changed"),
        /// The store's own options were changed.
        StoreSettingsChanged = "settings.store_changed" ("店舗設定の変更", "store settings changed"),
        /// A member registered or was created.
        MemberCreated = "member.created" ("会員の登録", "member created"),
        /// A member's profile or methods changed.
        MemberChanged = "member.changed" ("会員情報の変更", "member changed"),
        /// A member was approved, rejected, suspended or reactivated.
        MemberStatusChanged = "member.status_changed" ("会員ステータスの変更", "member status changed"),
        /// A member was removed or anonymised.
        MemberDeleted = "member.deleted" ("会員の削除", "member deleted"),
        /// Somebody asked for a new password.
        PasswordResetRequested = "member.password_reset_requested" ("パスワード再設定の申込", "password reset requested"),
        /// A password was set.
        PasswordChanged = "member.password_changed" ("パスワードの変更", "password changed"),
        /// The application status changed.
        ApplicationChanged = "application.changed" ("Paid申請の変更", "application changed"),
        /// A submission is on its way to Paid.
        ApplicationRequested = "application.requested" ("Paid申請の送信", "application requested"),
        /// Paid refused a submission.
        ApplicationRefused = "application.refused" ("Paid申請の拒否", "application refused"),
        /// An application needs a human.
        ApplicationFlagged = "application.flagged" ("要確認のPaid申請", "application flagged"),
        /// A human resolved what needed one.
        ApplicationResolved = "application.resolved" ("Paid申請の確認", "application resolved"),
        /// A buyer used the banner.
        ApplicationLinkUsed = "application.link_used" ("バナーの利用", "banner used"),
        /// The e-mail address, with which a member logs in, changed.
        MemberEmailChanged = "member.email_changed" ("メールアドレスの変更", "e-mail address changed"),
        /// A member registered whose address is to be verified.
        EmailVerificationRequested = "member.email_verification_requested" ("メールアドレス確認の依頼", "e-mail verification requested"),
        /// Somebody made a token with which the member shows that the address is its own.
        EmailTokenCreated = "member.email_token_created" ("メールアドレス確認トークンの発行", "e-mail token made"),
        /// A member has shown that the address is its own.
        EmailVerified = "member.email_verified" ("メールアドレスの確認", "e-mail address verified"),
        /// Somebody made a token with which the member's password can be set.
        PasswordTokenCreated = "member.password_token_created" ("パスワード設定トークンの発行", "password token made"),
        /// A token was made on the command line, or for a client.
        TokenCreated = "token.created" ("トークンの発行", "token made"),
        /// A token was revoked on the command line.
        TokenRevoked = "token.revoked" ("トークンの失効", "token revoked"),
        /// A refresh token was used again; its session has ended.
        SessionReuseDetected = "session.reuse_detected" ("更新トークンの再利用", "refresh token reused"),
        /// One of the staff logged in.
        SessionOpened = "session.opened" ("スタッフのログイン", "staff logged in"),
        /// One of the staff ended a session of his own.
        SessionEnded = "session.ended" ("スタッフのログアウト", "staff session ended"),
        /// Somebody failed to log in as one of the staff.
        SessionFailed = "session.failed" ("スタッフのログイン失敗", "staff log-in failed"),
        /// Data of many was read as a file.
        DataExported = "data.exported" ("データの出力", "data exported"),
        /// Somebody was added to the staff.
        UserCreated = "user.created" ("スタッフの登録", "user created"),
        /// One of the staff got a link to set a password with.
        UserInvited = "user.invited" ("スタッフの招待", "user invited"),
        /// Name, role or status of one of the staff changed.
        UserChanged = "user.changed" ("スタッフの変更", "user changed"),
        /// One of the staff set a password.
        UserPasswordChanged = "user.password_changed" ("スタッフのパスワード変更", "user password changed"),
        /// One of the staff logs in with a second factor from now on.
        UserSecondFactorSet = "user.second_factor_set" ("二段階認証の設定", "second factor set"),
        /// One of the staff has no second factor any more.
        UserSecondFactorRemoved = "user.second_factor_removed" ("二段階認証の解除", "second factor removed"),
        /// Too many wrong codes: none is looked at for a while.
        UserSecondFactorHeld = "user.second_factor_held" ("認証コードの連続失敗", "second factor held"),
        /// A recovery code was used up.
        UserRecoveryCodeUsed = "user.recovery_code_used" ("リカバリーコードの使用", "recovery code used"),
        /// All sessions of one of the staff were ended.
        UserSessionsEnded = "user.sessions_ended" ("スタッフのセッション終了", "user sessions ended"),
        /// One of the staff was removed.
        UserDeleted = "user.deleted" ("スタッフの削除", "user deleted"),
        /// A store takes tokens of an issuer of identities.
        IssuerCreated = "issuer.created" ("外部認証の登録", "issuer created"),
        /// An issuer was changed.
        IssuerChanged = "issuer.changed" ("外部認証の変更", "issuer changed"),
        /// An issuer was removed; its tokens are good no more.
        IssuerDeleted = "issuer.deleted" ("外部認証の削除", "issuer deleted"),
        /// A partner's client was created.
        ClientCreated = "client.created" ("連携クライアントの登録", "client created"),
        /// A client was changed.
        ClientChanged = "client.changed" ("連携クライアントの変更", "client changed"),
        /// A client got another secret.
        ClientSecretRotated = "client.secret_rotated" ("クライアントシークレットの更新", "client secret rotated"),
        /// A client was removed; its tokens are good no more.
        ClientDeleted = "client.deleted" ("連携クライアントの削除", "client deleted"),
        /// A webhook was made.
        WebhookCreated = "webhook.created" ("Webhookの登録", "webhook created"),
        /// A webhook was changed.
        WebhookChanged = "webhook.changed" ("Webhookの変更", "webhook changed"),
        /// A webhook got another secret.
        WebhookSecretRotated = "webhook.secret_rotated" ("Webhookシークレットの更新", "webhook secret rotated"),
        /// A webhook was disabled, as nobody is there or every attempt failed for a week.
        WebhookDisabled = "webhook.disabled" ("Webhookの自動停止", "webhook disabled"),
        /// A webhook was removed.
        WebhookDeleted = "webhook.deleted" ("Webhookの削除", "webhook deleted"),
        /// A product was created.
        ProductCreated = "product.created" ("商品の登録", "product created"),
        /// A product was changed.
        ProductChanged = "product.changed" ("商品の変更", "product changed"),
        /// A product was removed.
        ProductDeleted = "product.deleted" ("商品の削除", "product deleted"),
        /// An order asks Paid for its sale.
        OrderRequested = "order.requested" ("受注の受付", "order requested"),
        /// An order is placed.
        OrderPlaced = "order.placed" ("受注", "order placed"),
        /// Credit or the sale was refused; nothing is placed.
        OrderRefused = "order.refused" ("受注の拒否", "order refused"),
        /// Lines, fees, notes, label or method changed.
        OrderChanged = "order.changed" ("受注の変更", "order changed"),
        /// The shop cancelled the order.
        OrderCancelled = "order.cancelled" ("受注取消", "order cancelled"),
        /// An action on a payment is on its way to Paid.
        PaymentRequested = "payment.requested" ("決済操作の送信", "payment action requested"),
        /// Paid refused an action on a payment.
        PaymentRefused = "payment.refused" ("決済操作の拒否", "payment action refused"),
        /// The amount at Paid changed.
        PaymentAmended = "payment.amended" ("決済金額の変更", "payment amended"),
        /// The sale is fixed.
        PaymentConfirmed = "payment.confirmed" ("売上確定", "payment confirmed"),
        /// The sale is cancelled.
        PaymentCancelled = "payment.cancelled" ("決済キャンセル", "payment cancelled"),
        /// The sale did not come about.
        PaymentFailed = "payment.failed" ("決済不成立", "payment failed"),
        /// Something was found at Paid that Kakeuri did not ask for.
        PaymentFoundAtPaid = "payment.found_at_paid" ("Paid側の変更の検出", "change found at Paid"),
        /// A payment needs a human.
        PaymentFlagged = "payment.flagged" ("要確認の決済", "payment flagged"),
        /// A human resolved a difference.
        PaymentResolved = "payment.resolved" ("差異の解消", "payment resolved"),
        /// An operation ran out of retries.
        OperationStuck = "operation.stuck" ("処理の停滞", "operation stuck"),
        /// A bulk job was accepted.
        JobCreated = "job.created" ("一括処理の受付", "job created"),
        /// A bulk job ended.
        JobFinished = "job.finished" ("一括処理の終了", "job finished"),
    }
}

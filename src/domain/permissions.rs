//! Scopes and roles: who of a store's staff may do what.

text_enum! {
    /// What a token of the admin audience allows.
    Scope {
        /// Read the settings.
        SettingsRead = "settings:read" ("設定の閲覧", "read settings"),
        /// Change the settings.
        SettingsWrite = "settings:write" ("設定の変更", "change settings"),
        /// Read members.
        MembersRead = "members:read" ("会員の閲覧", "read members"),
        /// Change members; submit and refresh their Paid application.
        MembersWrite = "members:write" ("会員の変更", "change members"),
        /// Change products.
        ProductsWrite = "products:write" ("商品の変更", "change products"),
        /// Read orders.
        OrdersRead = "orders:read" ("受注の閲覧", "read orders"),
        /// Change orders.
        OrdersWrite = "orders:write" ("受注の変更", "change orders"),
        /// Whatever sends a call to Paid for an order.
        PaymentsWrite = "payments:write" ("決済の操作", "act on payments"),
        /// Read the event log.
        EventsRead = "events:read" ("履歴の閲覧", "read events"),
        /// Manage webhooks.
        WebhooksWrite = "webhooks:write" ("Webhookの管理", "manage webhooks"),
        /// Manage partners' clients.
        ClientsWrite = "clients:write" ("連携クライアントの管理", "manage clients"),
        /// Manage staff.
        UsersWrite = "users:write" ("スタッフの管理", "manage staff"),
        /// Make a token with which a member's password is set, that is, act as the member.
        MembersImpersonate = "members:impersonate" ("会員の代理", "act as members"),
    }
}

impl Scope {
    /// Must one of the staff have shown of late who he is, to change something with it? "What bears on everything asks again
    /// who it is", docs/rules.md.
    pub fn asks_again(self) -> bool {
        use Scope::*;
        match self {
            SettingsWrite | ClientsWrite | UsersWrite => true,
            SettingsRead | MembersRead | MembersWrite | ProductsWrite | OrdersRead
            | OrdersWrite | PaymentsWrite | EventsRead | WebhooksWrite | MembersImpersonate => {
                false
            }
        }
    }
}

text_enum! {
    /// A set of scopes with a name.
    Role {
        /// May do everything.
        Owner = "owner" ("オーナー", "owner"),
        /// Everything but settings, webhooks, clients and staff.
        Staff = "staff" ("スタッフ", "staff"),
        /// Reads.
        Viewer = "viewer" ("閲覧者", "viewer"),
    }
}

impl Role {
    /// The scopes of a role.
    pub fn scopes(self) -> Vec<Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| self.allows(*scope))
            .collect()
    }

    /// Does the role allow this?
    pub fn allows(self, scope: Scope) -> bool {
        use Scope::*;
        match scope {
            SettingsRead | MembersRead | OrdersRead | EventsRead => true,
            MembersWrite | ProductsWrite | OrdersWrite | PaymentsWrite => self != Role::Viewer,
            SettingsWrite | WebhooksWrite | ClientsWrite | UsersWrite | MembersImpersonate => {
                self == Role::Owner
            }
        }
    }
}

//! The staff of a store.

text_enum! {
    /// How it stands with one of the staff.
    UserStatus {
        /// May log in.
        Active = "active" ("有効", "active"),
        /// Has not set a password yet.
        Invited = "invited" ("招待中", "invited"),
        /// May not log in.
        Disabled = "disabled" ("無効", "disabled"),
    }
}

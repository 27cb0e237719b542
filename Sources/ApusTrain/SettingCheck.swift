import ApusCore

/// - Throws: `ApusError.setting` unless `isValid`.
func requireSetting<Value>(
    _ owner: String, _ name: String, _ value: Value, _ expected: String, _ isValid: (Value) -> Bool
) throws {
    guard isValid(value) else {
        throw ApusError.setting(owner: owner, name: name, value: "\(value)", expected: expected)
    }
}

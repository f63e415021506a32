package wallets

// What only tests of this package see.

var ReadCredential = readCredential

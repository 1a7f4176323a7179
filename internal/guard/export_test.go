package guard

// Settle is one round of settling, for tests that cannot wait for the ticker.
var Settle = (*Guard).settle

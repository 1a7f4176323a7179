package db

// SQLState is for tests: the SQLSTATE of a server's error, or empty.
var SQLState = sqlState

package pgembed

// settings are given on the command line, where neither postgresql.conf nor
// ALTER SYSTEM can override them. What is not listed is the operator's to tune.
func (c *cluster) settings() []string {
	values := []string{
		"fsync=on", "full_page_writes=on", "synchronous_commit=on",
		"listen_addresses=",
		"unix_socket_permissions=0700",
		"cluster_name=" + c.tag,
		// UTC would have to be looked up, and is fatal without the zone files.
		"timezone=GMT", "log_timezone=GMT",
		"log_destination=stderr", "logging_collector=off", "log_line_prefix=%m [%p] ",
		// Statements may hold secrets.
		"log_statement=none", "log_min_error_statement=panic", "log_min_duration_statement=-1",
	}
	if smallSharedMemory() {
		values = append(values, "dynamic_shared_memory_type=mmap")
	}
	var args []string
	for _, value := range values {
		args = append(args, "-c", value)
	}
	return args
}

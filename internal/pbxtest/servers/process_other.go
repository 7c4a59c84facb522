//go:build !linux

package servers

import "syscall"

// signalOnDeath does nothing: only Linux tells a process that the one which started it died.
func signalOnDeath(*syscall.SysProcAttr, syscall.Signal) {}

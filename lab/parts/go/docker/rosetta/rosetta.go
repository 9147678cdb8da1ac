// Package rosetta stands in for github.com/tonistiigi/go-rosetta, which is about Apple's Rosetta: never on Linux.
package rosetta

// Available reports whether the process runs under Rosetta.
func Available() bool { return false }

// Enabled reports whether Rosetta is switched on.
func Enabled() bool { return false }

// NativeArch is not known here.
func NativeArch() string { return "" }

// Package zzglob stands in for drjosh.dev/zzglob, which no Go module proxy serves to everyone. The agent uses it for
// artifact globs, if_changed and cache keys only, none of which a build of the lab has: each use says so and fails.
package zzglob

import (
	"context"
	"errors"
	"io/fs"
)

var errStandIn = errors.New("this agent was built for the lab, without globs")

// Pattern is never made.
type Pattern struct{}

// ParseOption is ignored.
type ParseOption func()

// GlobOption is ignored.
type GlobOption func()

// ExpandTilde is ignored.
func ExpandTilde(bool) ParseOption { return nil }

// TraverseSymlinks is ignored.
func TraverseSymlinks(bool) GlobOption { return nil }

// WalkIntermediateDirs is ignored.
func WalkIntermediateDirs(bool) GlobOption { return nil }

// Parse always fails.
func Parse(string, ...ParseOption) (*Pattern, error) { return nil, errStandIn }

// Match matches nothing.
func (*Pattern) Match(string) bool { return false }

// Glob always fails.
func (*Pattern) Glob(fs.WalkDirFunc, ...GlobOption) error { return errStandIn }

// MultiGlob succeeds only with nothing to look for.
func MultiGlob(_ context.Context, patterns []*Pattern, _ fs.WalkDirFunc, _ ...GlobOption) error {
	if len(patterns) == 0 {
		return nil
	}
	return errStandIn
}

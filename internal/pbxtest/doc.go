// Package pbxtest is a PBX to try things on: a private Postgres with FusionPBX's tables, a private
// Redis and a simulated FreeSWITCH, all on loopback ports of this machine and gone afterwards.
//
// It is for `trunkline demo` and for every test, and must never be part of what serves callers. It
// knows FusionPBX's tables only as the recorded lists in schema/ give them, and nothing of jobs, HTTP
// or the packages that it helps to test.
//
// A test package starts with
//
//	func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }
//
// and each test asks for what it needs: [Database] for a database of its own, [RedisURL] for a Redis
// database of its own, [NewRedis] for a Redis server that it may kill, [NewSentinels] for one that
// survives it.
package pbxtest

// Package pbxtest gives a test what it needs to run on: a database with FusionPBX's tables, a Redis, an
// nginx, a sample PBX, each the test's own and gone when it ends.
//
// It is what imports package testing; the rooms below it do not, since trunkline-demo and the
// measurements use them too: [servers] runs private servers, [sample] is the sample PBX, and fssim is a
// simulated FreeSWITCH. They know FusionPBX's tables only as the recorded lists in sample/schema give
// them, and nothing of jobs, HTTP or the packages that they help to test.
//
// A test package starts with
//
//	func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }
//
// and each test asks for what it needs: [Database] for a database of its own, [RedisURL] for a Redis
// database of its own, [NewRedis] for a Redis server that it may kill, [NewSentinels] for one that
// survives it, [StartSSHD] and [StartSMTPD] for servers that files and mail are brought to.
package pbxtest

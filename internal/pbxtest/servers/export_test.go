package servers

import "github.com/redis/go-redis/v9"

// What the tests of package servers_test use, which may import pbxtest and those of this package may not.
const ChildDir = childDir

var RunChild = runChild

func (r *Redis) Client() *redis.Client { return r.client() }

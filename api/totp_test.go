package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

const totpSecret = "JBSWY3DPEHPK3PXP"

// totpCode is the code that an app with totpSecret shows at that time.
func totpCode(t *testing.T, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(totpSecret)
	must(t, err)
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

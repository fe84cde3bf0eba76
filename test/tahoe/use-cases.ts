import { onionName } from "../../lib/address/onion.ts";

/** A v3 name, for configurations. */
export const ONION = onionName(new Uint8Array(32).fill(7));

/** A tahoe.cfg for each of the use cases of Tahoe-LAFS' document, in today's spelling. */
export const useCaseFiles = {
  client1: `[node]
nickname = plain
tub.port = disabled
tub.location = disabled
[tor]
enabled = false
[i2p]
enabled = false
`,
  client2: `[node]
nickname = reaches-onions
tub.port = disabled
tub.location = disabled
[tor]
socks.port = tcp:127.0.0.1:9050
`,
  client3: `[node]
nickname = hidden
reveal-IP-address = false
tub.port = disabled
tub.location = disabled
[connections]
tcp = tor
[tor]
socks.port = unix:/run/tor/socks
`,
  server1: `[node]
tub.port = tcp:3457
tub.location = tcp:storage.example.com:3457
[storage]
enabled = true
[tor]
enabled = false
[i2p]
enabled = false
`,
  server2: `[node]
tub.port = tcp:3457,listen:tor
tub.location = tcp:storage.example.com:3457,tor:${ONION}:3457
[storage]
enabled = true
[tor]
control.port = tcp:127.0.0.1:9051
onion = true
onion.local_port = 3458
onion.external_port = 3457
onion.private_key_file = private/tor_onion.privkey
`,
  server3: `[node]
reveal-IP-address = false
tub.port = listen:tor
tub.location = tor:${ONION}:3457
[connections]
tcp = tor
[storage]
enabled = true
[tor]
control.port = tcp:127.0.0.1:9051
onion = true
onion.local_port = 3458
onion.external_port = 3457
onion.private_key_file = private/tor_onion.privkey
`,
} as const;

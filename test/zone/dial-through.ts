// Run as a program of its own: dials an onion address through a proxy and prints every socket
// that was opened and every name that was looked up on the way.
import dns from "node:dns";
import { type NetConnectOpts, Socket } from "node:net";
import process from "node:process";
import { parseAddressOf } from "../../lib/address/address.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { SocksError } from "../../lib/socks/error.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { Dialer, dialInZone } from "../../lib/zone/dial.ts";
import { parseTxProxy } from "../../lib/zone/option.ts";

const opened: string[] = [];
const lookups: string[] = [];

const connect = Socket.prototype.connect;
Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
  const [first] = args.flat() as (NetConnectOpts | undefined)[];
  if (first !== undefined && "port" in first) opened.push(`${first.host}:${first.port}`);
  else opened.push(JSON.stringify(first));
  return Reflect.apply(connect, this, args);
} as typeof connect;
for (const name of ["lookup", "resolve", "resolve4", "resolve6", "resolveAny"] as const) {
  const asked = dns[name];
  Object.assign(dns, {
    [name]: (...args: unknown[]) => {
      lookups.push(`${name} ${String(args[0])}`);
      return Reflect.apply(asked, dns, args);
    },
  });
}

const [proxyPort = "", peer = ""] = process.argv.slice(2);
const proxy = { ...parseTxProxy(`tor,127.0.0.1:${proxyPort}`), zone: "tor" as const };
const tor = new Dialer(proxy, new StreamIsolation(systemRandom), realClock);
let code = "granted";
try {
  const socket = await dialInZone({ tor }, parseAddressOf(peer, "tor"), { label: "link-1" });
  socket.destroy();
} catch (error) {
  if (!(error instanceof SocksError)) throw error;
  code = error.code;
}
process.stdout.write(JSON.stringify({ code, opened, lookups }));

import { afterEach, describe, expect, test } from "bun:test";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { SocksError } from "../../lib/socks/error.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import {
  isUnknowing,
  lookupThrough,
  type NameLookup,
  publicAddresses,
} from "../../lib/zone/name-lookup.ts";
import { systemLookup } from "../../lib/zone/system-resolver.ts";
import { closeAfterwards, closeAll, listening } from "../socks/loopback.ts";
import { serving } from "../socks/serving.ts";
import { isolationOf } from "./exit-proxy.ts";
import { TorLikeProxy } from "./tor-like-proxy.ts";

afterEach(closeAll);

const NAME = "seeds.example.org";
const { signal } = new AbortController();
const options = { label: "seed-name-1-0", deadlineMs: 10_000, signal };

async function torLike(): Promise<TorLikeProxy> {
  const proxy = await TorLikeProxy.start();
  closeAfterwards(() => proxy.close());
  return proxy;
}

function through(port: number, isolation?: StreamIsolation, version: "4a" | "5" = "5"): NameLookup {
  const place = { host: "127.0.0.1", port };
  const credentials = (label: string) => isolation?.credentials(label);
  return lookupThrough({ place, version, credentials }, realClock);
}

async function failure(asked: Promise<unknown>): Promise<unknown> {
  return await asked.then(
    (value) => {
      throw new Error(`It came to ${String(value)}.`);
    },
    (error: unknown) => error,
  );
}

describe("A name asked by Tor's RESOLVE", () => {
  test.each(["5", "4a"] as const)(
    "comes to the address that the proxy tells (SOCKS %s)",
    async (version) => {
      const proxy = await torLike();
      proxy.name(NAME, "198.51.100.7");
      expect(await through(proxy.port, undefined, version)(NAME, options)).toEqual([
        "198.51.100.7",
      ]);
      expect(proxy.requests).toMatchObject([{ command: "resolve", host: NAME }]);
    },
  );

  test("has a circuit of its own where there are credentials, and none where there are not", async () => {
    const proxy = await torLike();
    proxy.name(NAME, "198.51.100.7");
    const isolation = new StreamIsolation(new SeededRandom(1));
    const lookup = through(proxy.port, isolation);
    await lookup(NAME, options);
    await lookup(NAME, { ...options, label: "seed-name-1-1" });
    await through(proxy.port)(NAME, options);
    expect(proxy.requests.map(isolationOf)).toEqual(["seed-name-1-0", "seed-name-1-1", ""]);
  });

  test.each(["127.0.0.1", "10.0.0.1", "192.168.1.1", "0.0.0.0", "2001:db8::1"])(
    "leads to no machine around this one, whatever is answered: %s",
    async (address) => {
      const proxy = await torLike();
      proxy.name(NAME, address);
      expect(await through(proxy.port)(NAME, options)).toEqual([]);
    },
  );

  test("fails where the proxy knows no address, which says nothing of the proxy", async () => {
    const proxy = await torLike();
    const error = await failure(through(proxy.port)(NAME, options));
    expect(error).toMatchObject({ code: "host-unreachable" });
    expect(isUnknowing(error)).toBe(false);
  });

  test("shows a proxy that is not Tor's by its answer", async () => {
    const proxy = await serving({ connect: () => Promise.reject(new Error("not asked")) });
    const error = await failure(through(proxy.address().port)(NAME, options));
    expect(error).toMatchObject({ code: "command-not-supported" });
    expect(isUnknowing(error)).toBe(true);
    expect(isUnknowing(new Error("command-not-supported"))).toBe(false);
  });

  test("ends when it is called off", async () => {
    const asked = Promise.withResolvers<void>();
    const { proxy } = await listening(async (socket) => {
      socket.once("data", () => asked.resolve());
    });
    const stop = new AbortController();
    const port = "port" in proxy ? proxy.port : 0;
    const answer = failure(through(port)(NAME, { ...options, signal: stop.signal }));
    await asked.promise;
    stop.abort();
    expect(await answer).toMatchObject({ code: "aborted" });
  });
});

describe("A name asked of the system's resolver", () => {
  const lookup = systemLookup(realClock);

  // The one name that every system answers without asking anybody.
  test("leads to no machine around this one", async () => {
    expect(await lookup("localhost", options)).toEqual([]);
  });

  test("is not asked once it is called off", async () => {
    const stop = new AbortController();
    stop.abort(new SocksError("aborted", "It was called off."));
    expect(await failure(lookup(NAME, { ...options, signal: stop.signal }))).toMatchObject({
      code: "aborted",
    });
  });
});

test("only IPv4 addresses of the public internet are taken", () => {
  const told = ["198.51.100.7", "seeds.example.org", "::1", "172.16.0.1", "203.0.113.9", ""];
  expect(publicAddresses(told)).toEqual(["198.51.100.7", "203.0.113.9"]);
});

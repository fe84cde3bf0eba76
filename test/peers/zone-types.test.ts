import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Address } from "../../lib/address/address.ts";
import type { PeerBook } from "../../lib/peers/book.ts";
import { PeersError } from "../../lib/peers/error.ts";
import { HandedOut } from "../../lib/peers/hand-out.ts";
import type { PeerRecord } from "../../lib/peers/record.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { entriesOf, garlic, ip, onion, START, Stores } from "./books.ts";

const stores = new Stores();
const now = START;

afterEach(() => stores.end());

/** What a cast lets through, as data from elsewhere would be. */
function smuggled(address: Address): Address<"tor"> {
  return address as Address<"tor">;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PeersError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

describe("zones in types", () => {
  test("a book takes and gives addresses of its zone only", () => {
    const store = stores.open();
    const tor = store.book("tor");
    const i2p = store.book("i2p");
    const connection = new HandedOut();
    const random = new SeededRandom(1);
    const wrong: (() => unknown)[] = [
      // @ts-expect-error an i2p address in the tor book
      () => tor.add(garlic(1), { source: "user", now }),
      // @ts-expect-error a public address in the i2p book
      () => i2p.add(ip(1), { source: "user", now }),
      // @ts-expect-error a list from a peer of another zone
      () => tor.receive({ source: garlic(1), entries: [] }, now),
      // @ts-expect-error a list with an entry of another zone
      () => tor.receive({ source: onion(1), entries: [{ address: garlic(1) }] }, now),
      // @ts-expect-error the ban of another zone's peer
      () => tor.ban(ip(1)),
      // @ts-expect-error a peer of another zone answered
      () => tor.succeeded(garlic(1), {}, now),
      // @ts-expect-error our own address of another zone is not for this zone's peers
      () => tor.handOut({ random, now, connection, own: garlic(1) }),
      // @ts-expect-error a peer of another zone failed
      () => i2p.failed(onion(1), now),
    ];
    for (const run of wrong) expect(codeOf(run)).toBe("wrong-zone");
    expect(tor.list({ now })).toEqual([]);
    expect(i2p.list({ now })).toEqual([]);
    // @ts-expect-error a book of one zone is none of another
    const taken: PeerBook<"i2p"> = tor;
    // @ts-expect-error nor are its records
    const records: PeerRecord<"i2p">[] = tor.list({ now });
    expect(records).toEqual([]);
    expect<string>(taken.zone).toBe("tor");
  });

  test("an address without a known zone has to be narrowed first", () => {
    const tor = stores.torBook();
    const address: Address = garlic(1);
    // @ts-expect-error it may be of any zone
    expect(codeOf(() => tor.add(address, { source: "user", now }))).toBe("wrong-zone");
    expect(codeOf(() => tor.find(smuggled(address)))).toBe("wrong-zone");
  });
});

describe("zones in storage", () => {
  test("what one zone's book keeps, no other sees", () => {
    const store = stores.open();
    const [tor, i2p, open] = [store.book("tor"), store.book("i2p"), store.book("public")];
    tor.add(onion(1), { source: "user", now });
    i2p.add(garlic(1), { source: "user", now });
    open.add(ip(1), { source: "user", now });
    i2p.ban(garlic(2));
    expect(tor.list({ now }).map(({ address }) => address.host)).toEqual([onion(1).host]);
    expect(i2p.list({ now }).map(({ address }) => address.host)).toEqual([garlic(1).host]);
    expect(open.list({ now }).map(({ address }) => address.host)).toEqual([ip(1).host]);
    expect([tor, i2p, open].map((book) => book.bans(now).length)).toEqual([0, 1, 0]);
    const exclude = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed);
      expect(tor.pick({ random, now, exclude })?.address).toEqual(onion(1));
      expect(i2p.pick({ random, now, exclude })?.address).toEqual(garlic(1));
    }
  });

  test("the file itself refuses a host in another zone's table", () => {
    const directory = stores.directory();
    const store = stores.open(directory);
    for (const zone of ["public", "tor", "i2p"] as const) {
      for (const host of ["a.onion", "a.b32.i2p", "8.8.8.8"]) {
        const database = new DatabaseSync(join(directory, "peers-regtest.sqlite"));
        const put = () =>
          database.exec(
            `INSERT INTO peer_${zone} (id, failures, proven, port, host, hash, source, origin, added)
             VALUES (0, 0, 0, 1, '${host}', 1, 1, 1, 1); DELETE FROM peer_${zone};`,
          );
        const belongs = zone === "tor" ? /onion$/ : zone === "i2p" ? /i2p$/ : /^[0-9.]+$/;
        if (belongs.test(host)) put();
        else expect(put).toThrow(/CHECK constraint failed/);
        database.close();
      }
    }
    store.transaction(() => undefined);
  });
});

describe("a received list", () => {
  test.each<[string, Address]>([
    ["an I2P name", garlic(3)],
    ["an IPv4 address", ip(3)],
  ])("with %s among onions is refused whole", (_name, foreign) => {
    const tor = stores.torBook();
    const entries = entriesOf([onion(1), onion(2), foreign, onion(4)]);
    const outcome = tor.receiveEntries({ source: onion(9), entries }, now);
    expect(outcome).toMatchObject({ kind: "refused", reason: "foreign-zone" });
    expect(outcome.kind === "refused" && outcome.message).toContain(foreign.host);
    expect(tor.list({ now })).toEqual([]);
  });

  test("with onions in the I2P zone is refused whole", () => {
    const i2p = stores.open().book("i2p");
    const entries = entriesOf([garlic(1), onion(2)]);
    const outcome = i2p.receiveEntries({ source: garlic(9), entries }, now);
    expect(outcome).toMatchObject({ kind: "refused", reason: "foreign-zone" });
    expect(i2p.list({ now })).toEqual([]);
  });

  test.each([["8.8.8.8"], ["example.com"], [garlic(1).host], ["::1"]])(
    "with an entry that calls %s an onion is refused whole",
    (host) => {
      const tor = stores.torBook();
      const entries = [
        ...entriesOf([onion(1)]),
        { ...entriesOf([onion(2)])[0], address: { type: "tor" as const, host, port: 1 } },
      ].map((entry) => ({
        id: 1n,
        lastSeen: 0n,
        pruningSeed: 0,
        rpcPort: 0,
        rpcCreditsPerHash: 0,
        ...entry,
      }));
      const outcome = tor.receiveEntries({ source: onion(9), entries }, now);
      expect(outcome).toMatchObject({ kind: "refused", reason: "foreign-zone" });
      expect(tor.list({ now })).toEqual([]);
    },
  );

  test("of 251 peers is refused whole, of 250 taken", () => {
    const tor = stores.torBook({ sourceShare: 1 });
    const names = Array.from({ length: 251 }, (_, index) => onion(index + 1));
    expect(
      tor.receiveEntries({ source: onion(999), entries: entriesOf(names) }, now),
    ).toMatchObject({ kind: "refused", reason: "too-long" });
    const entries = entriesOf(names.slice(1));
    expect(tor.receiveEntries({ source: onion(999), entries }, now)).toMatchObject({ added: 250 });
  });

  test("leaves out what is no address and what lies on our own side", () => {
    const tor = stores.torBook();
    const [whole] = entriesOf([onion(1)]);
    if (whole === undefined) throw new Error("There is one.");
    const broken = ["", "short.onion", `${"1".repeat(56)}.onion`].map((host) => ({
      ...whole,
      address: { type: "tor" as const, host, port: 1 },
    }));
    const noPort = { ...whole, address: { ...whole.address, host: onion(2).host, port: 0 } };
    expect(
      tor.receiveEntries(
        {
          source: onion(9),
          own: onion(7),
          entries: [whole, ...broken, noPort, ...entriesOf([onion(7)])],
        },
        now,
      ),
    ).toEqual({
      kind: "taken",
      added: 1,
      known: 0,
      banned: 0,
      share: 0,
      full: 0,
      own: 1,
      malformed: 4,
    });
    const open = stores.open().book("public");
    const near = ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.20.0.1", "169.254.1.1", "0.0.0.0"];
    const entries = [...near, "8.8.8.8"].map((host) => ({
      ...whole,
      address: { type: "ipv4" as const, host, port: 18_080 },
    }));
    expect(open.receiveEntries({ source: ip(1), entries }, now)).toMatchObject({
      added: 1,
      malformed: near.length,
    });
  });
});

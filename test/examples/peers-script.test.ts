import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAddressOf } from "../../lib/address/address.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { networks } from "../../lib/monero/network.ts";
import { clear, directory } from "../cli/program.ts";
import { repository } from "../house/tree.ts";
import { PeerTeller } from "../peers/peer-teller.ts";
import { binary } from "../real/binary.ts";

const [up = "", down = ""] = networks.mainnet.seeds.tor;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await clear();
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

async function run(environment: Record<string, string>, ...words: string[]): Promise<Ended> {
  const child = Bun.spawn([join(repository, "examples/peers.sh"), ...words], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ANONCTL: binary(), DATA_DIR: directory(), ...environment },
  });
  const [out, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, errors };
}

test("peers.sh prints who of a list, and of the seeds, answers", async () => {
  const tor = await SimulatedOnionNetwork.start();
  cleanups.push(() => tor.close());
  const teller = await PeerTeller.listen([]);
  cleanups.push(() => teller.close());
  const TX_PROXY = `tor,127.0.0.1:${tor.socksPort}`;
  const list = join(directory(), "nodes.txt");
  writeFileSync(list, `${up}\n${down}\nnode.example.org:18080\n`);

  const nobody = await run({ TX_PROXY }, list);
  expect({ code: nobody.code, out: nobody.out }).toEqual({ code: 1, out: "" });

  tor.register(parseAddressOf(up, "tor"), { host: "127.0.0.1", port: teller.port });
  for (const words of [[list], []]) {
    const { code, out, errors } = await run({ TX_PROXY }, ...words);
    expect({ code, out }).toEqual({ code: 0, out: `${up}\n` });
    expect(errors).toContain(`FAIL  ${down}`);
  }
  expect(teller.handshakes).toBe(2);
}, 60_000);

test("peers.sh tells a fault of this machine, and of the list, from silent peers", async () => {
  expect((await run({ TX_PROXY: "tor,127.0.0.1:1" })).code).toBe(3);
  expect((await run({ TX_PROXY: "tor,127.0.0.1:1" }, "/nonexistent/nodes.txt")).code).toBe(2);
  const list = join(directory(), "mixed.json");
  writeFileSync(
    list,
    JSON.stringify({ schema: "anonctl.peers.v1", tor: [{ address: "203.0.113.9:18080" }] }),
  );
  expect((await run({}, list)).code).toBe(2);
}, 60_000);

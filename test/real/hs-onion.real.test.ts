import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { ClientAuthKey, parseClientCredentialFile } from "../../lib/tor/client-auth.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { ManagedTor } from "../../lib/tor/managed-tor.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import {
  controlOf,
  dataDirectory,
  endServices,
  greeter,
  greetingOf,
  greetingOnce,
  HsProcess,
  hs,
} from "./hs-process.ts";
import { until } from "./node-process.ts";
import { checkPrivate, privateTorrc } from "./private-torrc.ts";

/* `anonctl hs` as it is built, on a private Tor network: one tor hosts, another one asks. */

const { describe, test } = requireDaemon("tor", "tor-gencert");
const UP_MS_MAX = 30_000;
const HELLO = "hello from behind the onion";

describe("an onion service of anonctl's", () => {
  let network: PrivateTorNetwork;
  let host: PrivateTorClient;
  let user: PrivateTorClient;
  let target = 0;

  beforeAll(async () => {
    network = await PrivateTorNetwork.start({
      clients: [{ name: "host" }, { name: "user", socksFlags: ["ExtendedErrors"] }],
    });
    const [first, second] = network.clients;
    if (first === undefined || second === undefined) throw new Error("A client is missing.");
    [host, user] = [first, second];
  }, 150_000);

  afterAll(async () => {
    await network?.stop();
  }, 30_000);

  afterEach(async () => {
    await endServices();
  });

  /** Makes a service that greets; the words name where it is kept. */
  const create = async (...words: string[]): Promise<{ address: string; kept: string[] }> => {
    target = await greeter(HELLO);
    const kept = ["--data-dir", dataDirectory()];
    const made = await hs("create", "web", "--port", `80:127.0.0.1:${target}`, ...kept, ...words);
    expect(made.errors).toBe("");
    expect(made.code).toBe(0);
    return { address: made.first.address ?? "", kept };
  };

  test("is created, served, watched until published, and reached through another tor", async () => {
    const { address, kept } = await create();
    const serving = new HsProcess(["serve", ...kept, ...controlOf(host)]);
    const watch = await hs("watch", "web", ...kept, ...controlOf(host));
    expect(watch.errors).toBe("");
    expect(watch.code).toBe(0);
    expect(watch.lines.at(-1)).toMatchObject({ address, published: true });
    expect(watch.lines.at(-1)?.introduction_points).toBeGreaterThan(0);
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    // Published before: no upload is to be seen any more, and a directory gives it out.
    const again = await hs("watch", address, ...controlOf(host));
    expect(again.code).toBe(0);
    expect(serving.states).toEqual(["starting", "publishing", "up"]);
    expect(await serving.end("SIGINT")).toBe(130);
    const gone = await hs("watch", "web", "--timeout", "1s", ...kept, ...controlOf(host));
    expect(gone.code).toBe(1);
    expect(gone.errors).toContain("run anonctl hs serve");
  }, 120_000);

  test("is up again at the same address after tor was killed, without a hand", async () => {
    const { address, kept } = await create();
    const serving = new HsProcess(["serve", "web", ...kept, ...controlOf(host)]);
    await serving.state("up", 1, UP_MS_MAX);
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    await host.kill("SIGKILL");
    await serving.state("waiting", 1, UP_MS_MAX);
    await host.restart({ deadlineMs: UP_MS_MAX });
    await serving.state("up", 2, UP_MS_MAX);
    expect((await hs("watch", address, "--timeout", "60s", ...controlOf(host))).code).toBe(0);
    expect(await greetingOf(user, address, 80, 150_000)).toBe(HELLO);
    expect(await serving.end("SIGTERM")).toBe(0);
    expect(serving.states.at(-1)).toBe("down");
  }, 230_000);

  test("with client auth: without a key, with a wrong one, and with the right one", async () => {
    const { address, kept } = await create("--client-auth", "laptop");
    const shown = await hs("show", "web", ...kept);
    const file = shown.first.clients?.[0]?.file ?? "";
    const credential = parseClientCredentialFile(readFileSync(file, "utf8"));
    expect(credential.address).toBe(address);
    const serving = new HsProcess(["serve", ...kept, ...controlOf(host)]);
    await serving.state("up", 1, UP_MS_MAX);
    const { controlPort, cookieFile } = user;
    const place = { host: "127.0.0.1", port: controlPort };
    const asking = await ControlClient.connect({ place, cookieFile });
    try {
      const refusal = async (): Promise<unknown> =>
        await rejection(greetingOnce(user, address, 80));
      expect(await refusal()).toMatchObject({ replyCode: 0xf4 });
      await asking.onionClientAuthAdd(address, ClientAuthKey.generate(new SeededRandom(9)));
      expect(await refusal()).toMatchObject({ replyCode: 0xf5 });
      await asking.onionClientAuthAdd(address, credential.key);
      expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    } finally {
      await asking.onionClientAuthRemove(address);
      await asking.close();
    }
    // A client that is added while it is served can read it too.
    const added = await hs("auth", "add", "web", "phone", ...kept);
    expect(added.code).toBe(0);
    await serving.state("up", 2, UP_MS_MAX);
  }, 120_000);

  test("left to tor stays when its maker is gone, and goes when it is removed", async () => {
    const { address, kept } = await create("--detach", ...controlOf(host));
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    const removed = await hs("remove", "web", ...kept, ...controlOf(host));
    expect(removed).toMatchObject({ code: 0, errors: "" });
    const list = await hs("list", ...kept);
    expect(list.first).toMatchObject({ services: [] });
    // An upload that was under way at the removal is still told of.
    const gone = async () => {
      const { code } = await hs("watch", address, "--timeout", "1s", ...controlOf(host));
      return code === 1 ? code : undefined;
    };
    expect(await until(gone, UP_MS_MAX, () => "It is still published.")).toBe(1);
  }, 120_000);

  test("goes to a HiddenServiceDir that a tor hosts under the same name, and comes back", async () => {
    const { address, kept } = await create("--client-auth", "laptop");
    const home = dataDirectory();
    const folder = join(home, "hs");
    const exported = await hs("export", "web", folder, ...kept);
    expect(exported).toMatchObject({ code: 0, errors: "" });
    const dataDir = join(home, "tor");
    const lines = await privateTorrc(user, dataDir);
    // Without the name that we wrote, tor writes the one that it computes.
    writeFileSync(join(folder, "hostname"), "");
    checkPrivate(lines);
    const tor = await ManagedTor.start({
      dataDirectory: dataDir,
      extraTorrc: [...lines, `HiddenServiceDir ${folder}`, "HiddenServicePort 80"],
    });
    await tor.stop();
    expect(readFileSync(join(folder, "hostname"), "utf8").trim()).toBe(address);
    const other = ["--data-dir", dataDirectory()];
    const port = ["--port", `80:127.0.0.1:${target}`];
    const imported = await hs("import", folder, "--name", "back", ...port, ...other);
    expect(imported.errors).toBe("");
    expect(imported.first).toMatchObject({ address, name: "back" });
    expect(imported.first.clients?.map(({ name }) => name)).toEqual(["laptop"]);
    const keys = await Promise.all([
      hs("show", "web", "--show-key", ...kept),
      hs("show", "back", "--show-key", ...other),
    ]);
    expect(keys[0].first.key).toMatch(/^ED25519-V3:/);
    expect(keys[0].first.key).toBe(keys[1].first.key ?? "");
  }, 120_000);

  test("served by a tor of our own, which is started again when it is killed", async () => {
    const { address, kept } = await create();
    const dataDir = kept[1] ?? "";
    const lines = await privateTorrc(user, join(dataDir, "tor"));
    const torrc = lines.flatMap((line) => ["--torrc-line", line]);
    const serving = new HsProcess(["serve", ...kept, "--tor", "launch", ...torrc]);
    await serving.state("up", 1, UP_MS_MAX);
    expect(serving.errors).toContain("tor: 100 % Done");
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    const pid = torOf(join(dataDir, "tor"));
    process.kill(pid, "SIGKILL");
    await serving.state("up", 2, 2 * UP_MS_MAX);
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    expect(await serving.end("SIGTERM")).toBe(0);
    expect(torsOf(join(dataDir, "tor"))).toEqual([]);
  }, 180_000);

  test("that is ephemeral is up until its end and leaves nothing", async () => {
    target = await greeter(HELLO);
    const dataDir = dataDirectory();
    const words = ["create", "once", "--port", `80:127.0.0.1:${target}`, "--ephemeral"];
    const serving = new HsProcess([...words, "--data-dir", dataDir, ...controlOf(host)]);
    await serving.state("up", 1, UP_MS_MAX);
    const address = serving.lines[0]?.address ?? "";
    expect(await greetingOf(user, address, 80, UP_MS_MAX)).toBe(HELLO);
    expect(await serving.end("SIGTERM")).toBe(0);
    expect(readdirSync(dataDir)).toEqual([]);
  }, 60_000);

  test("asks for proof of work and single hops as this tor can give them", async () => {
    const kept = ["--data-dir", dataDirectory()];
    const port = ["--port", "80:127.0.0.1:9"];
    const pow = await hs("create", "pow", ...port, "--pow", ...kept, ...controlOf(host));
    expect(pow).toMatchObject({ code: 0, first: { pow: true } });
    const single = await hs("create", "fast", ...port, "--single-hop", ...kept, ...controlOf(host));
    expect(single.code).toBe(2);
    expect(single.errors).toContain("do not hide where they are");
    const { first } = await hs("list", ...kept);
    expect(JSON.stringify(first)).not.toContain("fast");
  }, 60_000);

  test("is refused with a sentence where tor does not let us in", async () => {
    const kept = ["--data-dir", dataDirectory()];
    const port = ["--port", "80:127.0.0.1:9"];
    const password = join(dataDirectory(), "password");
    writeFileSync(password, "not this one\n");
    const home = dataDirectory();
    const lines = await privateTorrc(user, join(home, "tor"));
    // Of the password "right"; no cookie.
    const hash =
      "HashedControlPassword 16:872860B76453A77D60CA2BB8C1A7042072093276A3D701AD684053EC4C";
    checkPrivate(lines);
    const tor = await ManagedTor.start({
      dataDirectory: join(home, "tor"),
      extraTorrc: [...lines, hash],
    });
    try {
      const place = "port" in tor.control ? `127.0.0.1:${tor.control.port}` : "";
      const wrong = ["--control", place, "--control-password-file", password];
      const refused = await hs("create", "web", ...port, ...kept, ...wrong);
      expect(refused).toMatchObject({ code: 2, lines: [] });
      expect(refused.errors).toMatch(/^anonctl hs: .*password.*\.\n$/);
      expect(refused.errors).not.toContain("not this one");
    } finally {
      await tor.stop();
    }
    const absent = await hs("create", "web", ...port, ...kept, "--control", "127.0.0.1:1");
    expect(absent.code).toBe(3);
    expect(absent.errors).toContain("can't be reached");
    const cookie = join(dataDirectory(), "cookie");
    writeFileSync(cookie, "x".repeat(32));
    chmodSync(cookie, 0o600);
    const other = ["--cookie-file", cookie, ...controlOf(host)];
    const impostor = await hs("create", "web", ...port, ...kept, ...other);
    expect(impostor.code).toBe(3);
    expect((await hs("list", ...kept)).first).toMatchObject({ services: [] });
  }, 60_000);

  test("of two that have the same one up, the second says so", async () => {
    const { kept } = await create();
    const serving = new HsProcess(["serve", ...kept, ...controlOf(host)]);
    await serving.state("publishing", 1, UP_MS_MAX);
    const second = await hs("serve", ...kept, ...controlOf(host));
    expect(second.code).toBe(3);
    expect(second.errors).toContain("Another program has");
    expect(serving.states).not.toContain("waiting");
  }, 60_000);

  test("whose record or key others could read does not exist", async () => {
    const { kept } = await create("--client-auth", "laptop");
    const dataDir = kept[1] ?? "";
    const found = readdirSync(join(dataDir, "services"), { recursive: true, withFileTypes: true });
    expect(found.length).toBe(5);
    for (const entry of found) {
      const { mode } = statSync(join(entry.parentPath, entry.name));
      expect(mode & 0o077).toBe(0);
    }
  });
});

/** Process ids of tors that have a data directory. */
function torsOf(dataDirectory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        if (!words[0]?.endsWith("/tor")) return false;
        const torrc = words[words.indexOf("-f") + 1] ?? "";
        return readFileSync(torrc, "utf8").includes(`DataDirectory "${dataDirectory}"`);
      } catch {
        return false;
      }
    });
}

function torOf(dataDirectory: string): number {
  const [pid, second] = torsOf(dataDirectory);
  if (pid === undefined || second !== undefined) throw new Error("There should be one tor.");
  return pid;
}

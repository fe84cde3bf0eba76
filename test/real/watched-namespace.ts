import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect as openSocket, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { NetworkNamespace } from "../../lib/devnet/namespace.ts";
import { binary } from "./binary.ts";
import { until } from "./node-process.ts";

/** A packet that was seen in the namespace. */
export interface SeenPacket {
  readonly from: string;
  readonly to: string;
  /** The line that tcpdump prints of it. */
  readonly line: string;
}

/** What a program run in the namespace came to. */
export interface NamespaceRun {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

/** The resolver that programs inside are told of: a packet to it would leave by the dummy. */
export const RESOLVER = "203.0.113.53";
/**
 * An interface with the default routes, and one at its other end that drops what comes. Without
 * ARP, nobody has to be there for a packet to be sent.
 */
const ROUTES = [
  "link add leak0 type veth peer name leak1",
  "link set leak0 arp off",
  "link set leak1 arp off",
  "address add 203.0.113.2/24 dev leak0",
  "link set leak1 up",
  "link set leak0 up",
  "route add default via 203.0.113.1 dev leak0",
  "-6 address add 2001:db8::2/64 dev leak0 nodad",
  "-6 route add default via 2001:db8::1 dev leak0",
];
/** The kernel's own, which it sends of any interface: neighbours and multicast groups of IPv6. */
const KERNEL = "not icmp6 and not igmp";
const READY_MS_MAX = 10_000;
/** Where the last packet of a capture goes: nobody listens there. */
const END_PORT = 9;

/**
 * A network namespace with a way out that leads nowhere: a connection or a look-up that leaves the
 * loopback is sent, and seen by tcpdump, as it would be on a machine that is online.
 */
export class WatchedNamespace {
  /** Where a program inside finds the proxy, on 127.0.0.1. */
  readonly proxyPort: number;
  readonly #namespace: NetworkNamespace;
  readonly #directory: string;
  readonly #server: Server;
  readonly #children: ChildProcess[];
  #captures = 0;

  private constructor(
    namespace: NetworkNamespace,
    directory: string,
    server: Server,
    bridge: ChildProcess,
    proxyPort: number,
  ) {
    this.#namespace = namespace;
    this.#directory = directory;
    this.#server = server;
    this.#children = [bridge];
    this.proxyPort = proxyPort;
  }

  /**
   * Makes one.
   *
   * @param proxyPort a SOCKS proxy on 127.0.0.1 outside
   */
  static async create(proxyPort: number): Promise<WatchedNamespace> {
    const namespace = await NetworkNamespace.create([]);
    const directory = mkdtempSync(join(tmpdir(), "anonctl-watched-"));
    for (const words of ROUTES) {
      const run = spawnSync("ip", ["-n", namespace.name, ...words.split(" ")]);
      if (run.status !== 0) throw new Error(`ip ${words}: ${String(run.stderr)}`);
    }
    writeFileSync(
      join(directory, "resolv.conf"),
      `nameserver ${RESOLVER}\noptions timeout:1 attempts:1\n`,
    );
    const path = join(directory, "proxy");
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const proxy = openSocket({ host: "127.0.0.1", port: proxyPort, allowHalfOpen: true });
      proxy.on("error", () => client.destroy());
      client.on("error", () => proxy.destroy());
      client.pipe(proxy).pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const script = join(import.meta.dir, "port-to-socket.ts");
    const bridge = inside(namespace, [process.execPath, script, path]);
    const [line] = await once(createInterface({ input: output(bridge) }), "line");
    return new WatchedNamespace(namespace, directory, server, bridge, Number(line));
  }

  /** Words to put before a program, which then sees the namespace and its resolver. */
  get wrapper(): readonly string[] {
    const resolver = join(this.#directory, "resolv.conf");
    const script = `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`;
    return [...this.#namespace.wrapper, "unshare", "-m", "sh", "-c", script, "sh"];
  }

  /**
   * Runs a program inside to its end.
   *
   * @param words the program and its arguments
   * @param isEnough looks at what it has printed so far, and ends it with SIGTERM
   */
  async run(
    words: readonly string[],
    isEnough: (out: string) => boolean = () => false,
  ): Promise<NamespaceRun> {
    const [program = "", ...rest] = [...this.wrapper, ...words];
    const child = spawn(program, rest, {
      ...{ stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } },
    });
    this.#children.push(child);
    const texts = { out: "", errors: "" };
    child.stdout?.on("data", (part: Buffer) => {
      texts.out += String(part);
      if (isEnough(texts.out)) child.kill("SIGTERM");
    });
    child.stderr?.on("data", (part: Buffer) => {
      texts.errors += String(part);
    });
    const [code] = await once(child, "close");
    return { code: typeof code === "number" ? code : null, ...texts };
  }

  /** Runs the built program inside, as `run` does. */
  async anonctl(
    words: readonly string[],
    isEnough?: (out: string) => boolean,
  ): Promise<NamespaceRun> {
    return await this.run([binary(), ...words], isEnough);
  }

  /**
   * What crosses any interface of the namespace while something is done.
   *
   * @param during what is done
   */
  async watch(during: () => Promise<void>): Promise<SeenPacket[]> {
    const file = join(this.#directory, `${++this.#captures}.pcap`);
    const words = ["tcpdump", "-i", "any", "-n", "--immediate-mode", "-U", "-Z", "root"];
    const tcpdump = inside(this.#namespace, [...words, "-w", file, ...KERNEL.split(" ")]);
    this.#children.push(tcpdump);
    const exited = once(tcpdump, "exit");
    await said(tcpdump, /listening on any/);
    await during();
    // Sent after all else: when it is in the file, everything before it is.
    const end = `end-${this.#captures}`;
    await this.run(["bash", "-c", `echo ${end} > /dev/udp/127.0.0.1/${END_PORT}`]);
    await until(() => (readFileSync(file).includes(end) ? true : undefined), READY_MS_MAX);
    tcpdump.kill("SIGINT");
    await exited;
    const read = spawnSync("tcpdump", ["-nn", "-q", "-r", file], { encoding: "utf8" });
    const lines = read.stdout.split("\n").filter((line) => line !== "");
    const packets = lines.map(packetOf);
    return packets.slice(
      0,
      packets.findIndex(({ to }) => to === `127.0.0.1.${END_PORT}`),
    );
  }

  /** Listeners inside, as the kernel has them: hexadecimal address and port. */
  async listeners(): Promise<string[]> {
    const files = ["tcp", "tcp6", "udp", "udp6"].map((name) => `/proc/net/${name}`);
    const { out } = await this.run(["cat", ...files]);
    const rows = out.split("\n").map((line) => line.trim().split(/\s+/));
    // 0A listens for TCP; 07 is a UDP socket without a peer.
    return rows.filter((row) => row[3] === "0A" || row[3] === "07").map((row) => row[1] ?? "");
  }

  /** Ends everything inside, and removes it. */
  async remove(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    this.#server.close();
    await this.#namespace.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function inside(namespace: NetworkNamespace, words: readonly string[]): ChildProcess {
  const guarded = [...namespace.wrapper, "setpriv", "--pdeathsig", "KILL", "--", ...words];
  const [program = "", ...rest] = guarded;
  return spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
}

function output(child: ChildProcess): NodeJS.ReadableStream {
  if (child.stdout === null) throw new Error("The output is not piped.");
  return child.stdout;
}

async function said(child: ChildProcess, words: RegExp): Promise<void> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.stderr?.on("data", (part: Buffer) => {
    text += String(part);
    if (words.test(text)) resolve();
  });
  child.once("exit", () => reject(new Error(`It ended: ${text}`)));
  const timer = setTimeout(() => reject(new Error(`It said only: ${text}`)), READY_MS_MAX);
  await promise.finally(() => clearTimeout(timer));
}

/** `12:00:00.000000 lo    In  IP 127.0.0.1.4000 > 127.0.0.1.9050: tcp 0` */
function packetOf(line: string): SeenPacket {
  const [, from = "", to = ""] = / IP6? (\S+) > (\S+?):? /.exec(line) ?? [];
  return { from, to: to.replace(/:$/, ""), line };
}

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket that a process holds. */
export interface HeldSocket {
  readonly protocol: string;
  /** Address in hex as the kernel prints it, without the port. */
  readonly remote: string;
  /** The same of our own end. */
  readonly local: string;
  readonly localPort: number;
  /** Whether it takes connections, or datagrams from anybody. */
  readonly listens: boolean;
}

const protocols = ["tcp", "tcp6", "udp", "udp6"] as const;
/** Unconnected, 127.0.0.0/8 and ::1, and 127.0.0.0/8 within IPv6, each in the kernel's byte order. */
const HERE = /^(0{8}|0{32}|[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/;

/** Listening for TCP; a UDP socket without a peer. */
const LISTENING: ReadonlySet<string> = new Set(["0A", "07"]);

/**
 * The sockets that processes hold right now, by what Linux says in /proc.
 *
 * @param pids process ids
 */
export function socketsOf(pids: readonly number[]): HeldSocket[] {
  const inodes = new Set(pids.flatMap(socketInodes));
  return protocols.flatMap((protocol) =>
    readFileSync(`/proc/net/${protocol}`, "latin1")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => inodes.has(fields[9] ?? ""))
      .map((fields) => {
        const [local = "", port = ""] = (fields[1] ?? "").split(":");
        const [remote = ""] = (fields[2] ?? "").split(":");
        const listens = LISTENING.has(fields[3] ?? "");
        return { protocol, remote, local, localPort: Number.parseInt(port, 16), listens };
      }),
  );
}

/**
 * The sockets among them that are connected to another machine.
 *
 * @param sockets as `socketsOf` returns them
 */
export function leaving<S extends Pick<HeldSocket, "remote">>(sockets: readonly S[]): S[] {
  return sockets.filter(({ remote }) => !HERE.test(remote));
}

function socketInodes(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

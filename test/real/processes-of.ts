import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A TCP socket of a process, by what Linux says in /proc. */
export interface TcpSocket {
  readonly localPort: number;
  /** 0 for a listener. */
  readonly remotePort: number;
}

/**
 * The processes that another has started, and those that they have.
 *
 * @param pid a process id
 * @returns process ids with the name of each program
 */
export function descendantsOf(pid: number): { readonly pid: number; readonly name: string }[] {
  const ids = textOf(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((id) => id !== "");
  return ids
    .map(Number)
    .flatMap((id) => [{ pid: id, name: textOf(`/proc/${id}/comm`) }, ...descendantsOf(id)]);
}

/**
 * The sockets of a process on IPv4.
 *
 * @param pid a process id
 */
export function tcpOf(pid: number): TcpSocket[] {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set(
    readdirSync(folder).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => inodes.has(fields[9] ?? ""))
    .map((fields) => ({ localPort: portIn(fields[1]), remotePort: portIn(fields[2]) }));
}

/** Whether a process runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function portIn(place = ""): number {
  return Number.parseInt(place.split(":")[1] ?? "0", 16);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

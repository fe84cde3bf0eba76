// A process that owns a scratch directory and two children, for a test that kills it. Prints where
// everything is as one JSON line, and stays.
import { writeFileSync } from "node:fs";
import { Scratch } from "../../lib/process/scratch.ts";

const [parent = "", elsewhere = ""] = process.argv.slice(2);
writeFileSync(elsewhere, "noted");
const scratch = await Scratch.create({ parent, alsoRemove: [elsewhere] });
// The first ignores every signal that can be ignored; the second is a plain one.
const scripts = ["trap '' TERM INT HUP; while :; do sleep 1; done", "exec sleep 1000"];
const children = scripts.map((script, index) =>
  scratch.spawn({
    name: `child ${index}`,
    program: "/bin/sh",
    arguments: ["-c", `echo ready; ${script}`],
    directory: scratch.directory,
  }),
);
for (const child of children) await child.line(/ready/, { deadlineMs: 10_000 });
writeFileSync(scratch.path("file"), "content");
const pids = [scratch.janitorPid, ...children.map(({ pid }) => pid)];
process.stdout.write(`${JSON.stringify({ directory: scratch.directory, pids })}\n`);

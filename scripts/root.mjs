import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The top folder of the checkout; every script works from there, wherever it is called. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

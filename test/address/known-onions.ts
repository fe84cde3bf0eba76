import { networks } from "../../lib/monero/network.ts";

/** The onion names of Monero's mainnet seeds: valid names that this code did not make. */
export const seedOnions = networks.mainnet.seeds.tor.map((text) =>
  text.slice(0, text.indexOf(":")),
);

/**
 * The example names of rend-spec-v3, section 6 [ONIONADDRESS].
 */
export const specificationOnions = [
  "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
  "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd",
  "xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd",
].map((label) => `${label}.onion`);

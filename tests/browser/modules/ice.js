import { readLinks } from "/static/js/client/link/ice.js";
import { equal } from "./check.js";

export function test_ice_servers_are_read_from_link_headers() {
  const header =
    '<stun:192.0.2.1>; rel="ice-server", </style.css>; rel="preload", ' +
    '<turn:192.0.2.2?transport=udp>; rel="ice-server"; username="17:a,b"; credential="x=;y"; credential-type="password"';
  equal(readLinks(header), [
    { urls: "stun:192.0.2.1" },
    { urls: "turn:192.0.2.2?transport=udp", username: "17:a,b", credential: "x=;y" },
  ], "both, with credentials:");
  equal(readLinks(""), [], "no header:");
}

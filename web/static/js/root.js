/** The path below which a proxy publishes this server, such as "/edge"; empty without one. */
export const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

// What the modules make is what `edge-client.d.ts` promises: checked by the compiler, never run.
import type * as promised from "../../web/static/edge-client.js";
import * as made from "../../web/static/js/client/index.js";

export const checked: typeof promised = made;

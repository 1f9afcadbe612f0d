// Users of an Odoo 17, 18 or 19 for k6 (https://k6.io), written by `slotwise load export --k6`.
//   k6 run -e PASSWORD=... odoo.js
// What users create carries the marker in its name; `slotwise load http --cleanup` removes it.
import http from "k6/http";
import ws from "k6/ws";
import { check, sleep } from "k6";
import { randomItem } from "https://jslib.k6.io/k6-utils/1.4.0/index.js";

const SETTINGS = __SETTINGS__;
const PASSWORD = __ENV.PASSWORD || SETTINGS.password;
const FIELDS = ["name", "email", "phone", "city", "country_id"];

export const options = {
  scenarios: {
    browsers: { executor: "ramping-vus", exec: "browser", startVUs: 1, stages: SETTINGS.stages },
    programs: { executor: "ramping-vus", exec: "program", startVUs: 0, stages: SETTINGS.rpc_stages },
    websockets: { executor: "ramping-vus", exec: "socket", startVUs: 0, stages: SETTINGS.websocket_stages },
  },
  thresholds: { checks: ["rate>0.99"], http_req_duration: [`p(95)<${SETTINGS.p95_ms}`] },
};

let session = null;

function ask(path, params, name) {
  const body = JSON.stringify({ jsonrpc: "2.0", method: "call", id: 1, params: params });
  const headers = { "Content-Type": "application/json" };
  const response = http.post(SETTINGS.url + path, body, { headers: headers, tags: { name: name } });
  let answer = {};
  try {
    answer = response.json();
  } catch (error) {
    answer = { error: { message: `HTTP ${response.status}` } };
  }
  check(response, { [name]: (r) => r.status === 200 && !answer.error });
  return answer.result;
}

function logIn() {
  const database = randomItem(SETTINGS.databases);
  const params = { db: database, login: randomItem(SETTINGS.logins), password: PASSWORD };
  const result = ask("/web/session/authenticate", params, "log in");
  session = result && result.uid ? { database: database, uid: result.uid } : null;
  return session;
}

function call(model, method, args, kwargs, name) {
  const params = { model: model, method: method, args: args, kwargs: kwargs };
  return ask(`/web/dataset/call_kw/${model}/${method}`, params, name);
}

function pause() {
  sleep(SETTINGS.think_seconds * (0.5 + Math.random()));
}

function marked(what) {
  return `${SETTINGS.marker} ${what} ${Math.random().toString(16).slice(2, 10)}`;
}

const ACTS = [
  [4, () => call("res.partner", "web_search_read", [], { domain: [["name", "ilike", "a"]],
    specification: { name: {}, email: {}, phone: {}, city: {} }, limit: 40 }, "search")],
  [4, () => call("res.partner", "search_read", [[]], { fields: FIELDS, limit: 20 }, "read")],
  [3, () => call("res.partner", "get_views", [], { views: [[false, "form"], [false, "search"]], options: {} },
    "open form")],
];
if (SETTINGS.writes) {
  ACTS.push([1, () => call("res.partner", "create", [{ name: marked("partner") }], {}, "create")]);
}

function act() {
  let at = Math.random() * ACTS.reduce((sum, one) => sum + one[0], 0);
  for (const [weight, work] of ACTS) {
    at -= weight;
    if (at < 0) {
      work();
      return;
    }
  }
}

export function browser() {
  if (session || logIn()) {
    act();
  }
  pause();
}

export function program() {
  const database = SETTINGS.databases[0];
  if (!session) {
    const login = [database, SETTINGS.logins[0], PASSWORD, {}];
    const uid = ask("/jsonrpc", { service: "common", method: "authenticate", args: login }, "rpc log in");
    session = uid ? { database: database, uid: uid } : null;
  } else {
    const args = [database, session.uid, PASSWORD, "res.partner", "search_read", [[]], { fields: ["name"], limit: 20 }];
    ask("/jsonrpc", { service: "object", method: "execute_kw", args: args }, "rpc read");
  }
  pause();
}

export function socket() {
  if (!session && !logIn()) {
    pause();
    return;
  }
  const cookies = http.cookieJar().cookiesForURL(SETTINGS.url);
  const headers = { Cookie: `session_id=${(cookies.session_id || [""])[0]}`, Origin: SETTINGS.url };
  ws.connect(SETTINGS.websocket_url, { headers: headers }, (connection) => {
    connection.on("open", () => {
      connection.send(JSON.stringify({ event_name: "subscribe", data: { channels: [], last: 0 } }));
    });
    connection.setTimeout(() => connection.close(), SETTINGS.think_seconds * 10000);
  });
}

// Starts GraphiQL on the address that this page came from.
const headers = JSON.parse(document.getElementById("headers").textContent);
const root = document.getElementById("graphiql");
document.body.style.margin = "0";
root.style.height = "100vh";

const api = location.pathname.replace(/\/graphiql\/?$/, "");

async function fetcher(request, options) {
  const answer = await fetch(api, {
    method: "POST",
    credentials: "omit",
    headers: { accept: "application/json", "content-type": "application/json", ...options?.headers },
    body: JSON.stringify(request),
  });
  return answer.json();
}

const editor = React.createElement(GraphiQL, {
  fetcher,
  defaultHeaders: JSON.stringify(headers, null, 2),
  shouldPersistHeaders: false,
  defaultEditorToolsVisibility: true,
});
ReactDOM.createRoot(root).render(editor);

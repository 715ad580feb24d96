/** How to talk to a node that just started: a token, and an example to paste into a shell at the root of the repository. */
export function hints(url: string, directory: string | null, isOpen: boolean): string {
  const auth = isOpen ? '' : ', auth: process.env.TOKEN';
  const token = isOpen || directory === null ? '' : `export TOKEN=$(npx topgun token --sub me --data ${directory})\n`;
  return `
Talk to it from another terminal, in this folder:

${token}node --input-type=module -e '
import { TopGunClient } from "@topgunbuild/client";
const client = new TopGunClient({ url: "${url}"${auth} });
await client.start();
const todos = client.getMap("todos");
todos.subscribe(({ changes }) => console.log(changes));
await todos.set("first", { title: "try TopGun", done: false }).acked;
await client.close();
'

Or: npx topgun status --url ${url}
    node examples/node-chat/chat.js --name ann --url ${url}
`;
}

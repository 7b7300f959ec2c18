// For each AsyncAPI document, a line of JSON: how many operations it has, and what is wrong with it.
import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";

for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
  const problems = diagnostics.map(found => `${found.path.join(".")}: ${found.message}`);
  console.log(JSON.stringify({ operations: document?.operations().all().length ?? 0, problems }));
}

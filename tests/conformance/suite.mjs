// One run of the suite's own client, in a process of its own: it keeps its results in a global, and its tests
// are changed by a run.
//
//   node suite.mjs FOLDER EDGE [TEST…]      prints { test: { kind, needs, result } } as JSON
//
// `result` is true, or [class, message].
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, edge, ...only] = process.argv.slice(2)
const top = resolve(folder)
const load = path => import(pathToFileURL(join(top, path)))

// Later editions keep their machinery in a folder of its own, and use the fetch of Node.js.
const isLater = existsSync(join(top, 'test-engine'))
const { runTests, getResults } = await load(isLater ? 'test-engine/client/runner.mjs' : 'client/runner.mjs')
const themes = (await load('tests/index.mjs')).default

const chosen = themes.map(theme => ({
  ...theme,
  tests: theme.tests.filter(test => only.length === 0 || only.includes(test.id))
}))
// So many at a time that the pauses of the tests, three seconds each, are waited for together.
const together = 200
if (isLater) {
  await runTests(chosen, false, edge, together)
} else {
  const nodeFetch = createRequire(join(top, 'package.json'))('node-fetch')
  await runTests(chosen, nodeFetch, false, edge, together)
}

const tests = new Map(themes.flatMap(theme => theme.tests).map(test => [test.id, test]))
const outcome = Object.entries(getResults()).map(([id, result]) => {
  const { kind = 'required', depends_on: needs = [] } = tests.get(id)
  return [id, { kind, needs, result }]
})
process.stdout.write(JSON.stringify(Object.fromEntries(outcome)), () => process.exit(0))

// Runs the suite through a real edge, and compares what came of each test with expectations.json.
//
//   node run.mjs FOLDER BINARY SCRATCH
//
// Every test is expected to pass, but for those that are listed there, each with what justifies it. A
// deviation in either direction fails the run: a listed test that passes is to be struck from the list. Where a
// later edition of the suite differs, its list `later` counts; null is a pass.
import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const [folder, binary, scratch] = process.argv.slice(2).map(path => resolve(path))
const here = name => fileURLToPath(new URL(name, import.meta.url))

// The tests count in seconds, and a busy machine may take one from them: what deviates is asked again, alone.
const tries = 3
// Seconds for all of it, so that a hang is a failure.
const patience = Number(process.env.PATIENCE ?? 110)
// Later editions keep their machinery in a folder of its own.
const isLater = existsSync(join(folder, 'test-engine'))

const children = []

function start (name, program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  child.on('error', error => fail(`${name} can't be started: ${error.message}`))
  child.stderr.pipe(createWriteStream(join(scratch, `${name}.log`)))
  children.push(child)
  return child
}

// Waits for a line on standard output that `pattern` finds something in.
function line (name, child, pattern) {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', data => {
      text += data
      const found = pattern.exec(text)
      if (found) resolve(found[1])
    })
    child.on('exit', code => reject(new Error(`${name} ended with ${code}:\n${log(name)}`)))
  })
}

function log (name) {
  const path = join(scratch, `${name}.log`)
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-4000) : ''
}

function end () {
  for (const child of children) child.kill('SIGKILL')
}

function fail (message) {
  end()
  console.error(`conformance: ${message}`)
  process.exit(1)
}

async function startOrigin () {
  const machinery = isLater ? 'test-engine/server' : 'server'
  const env = {
    ...process.env,
    npm_config_protocol: 'http',
    npm_config_port: '0',
    npm_config_pidfile: join(scratch, 'origin.pid')
  }
  const args = ['--require', here('loopback.cjs'), join(machinery, 'server.mjs')]
  const child = start('origin', process.execPath, args, { cwd: folder, env })
  return line('origin', child, /Listening on (http:\/\/[0-9.:]+)/)
}

// The default config: `proxy` has nothing but it.
async function startEdge (origin) {
  const args = ['proxy', '--listen', '127.0.0.1:0', '--to', origin, '--state', join(scratch, 'state')]
  return line('edge', start('edge', binary, args), /^edge (http:\S+)$/m)
}

function runSuite (edge, only) {
  return new Promise((resolve, reject) => {
    const child = start('client', process.execPath, ['--no-warnings', here('suite.mjs'), folder, edge, ...only])
    let text = ''
    child.stdout.on('data', data => { text += data })
    child.on('exit', code => {
      // Later editions speak of tests whose connection failed before they print the results.
      const json = text.slice(text.lastIndexOf('\n') + 1)
      code === 0 ? resolve(JSON.parse(json)) : reject(new Error(`the client ended with ${code}:\n${log('client')}`))
    })
  })
}

// `pass`, `fail`; `setup` where the premise of a test was not met, `needs` where a test it depends on did not
// pass. The suite shows these four apart, too.
function judge (results, id) {
  const { needs, result } = results[id]
  if (needs.some(other => results[other] && judge(results, other) !== 'pass')) return 'needs'
  if (result === true) return 'pass'
  return result[0] === 'Setup' ? 'setup' : 'fail'
}

function deviations (results, expected) {
  return Object.keys(results).filter(id => judge(results, id) !== (expected[id]?.result ?? 'pass'))
}

function totals (results) {
  return ['required', 'optimal', 'check'].map(kind => {
    const ids = Object.keys(results).filter(id => results[id].kind === kind)
    const count = word => ids.filter(id => judge(results, id) === word).length
    const word = kind === 'check' ? ['yes', 'no'] : ['pass', 'fail']
    return `${kind}: ${count('pass')} of ${ids.length} ${word[0]}, ${count('fail')} ${word[1]}, ` +
      `${count('setup')} without their premise, ${count('needs')} depend on one that does not pass`
  })
}

async function main () {
  const { tests, later } = JSON.parse(readFileSync(here('expectations.json'), 'utf8'))
  const expected = isLater ? { ...tests, ...later } : tests
  const edge = await startEdge(await startOrigin())
  const results = await runSuite(edge, [])
  for (let again = 1; again < tries; again++) {
    const deviant = deviations(results, expected)
    if (deviant.length === 0) break
    // Those that they depend on come along.
    const wanted = new Set(deviant.flatMap(id => [id, ...results[id].needs]))
    for (const [id, outcome] of Object.entries(await runSuite(edge, [...wanted]))) {
      if (deviant.includes(id)) results[id] = outcome
    }
  }
  end()
  for (const total of totals(results)) console.log(`conformance: ${total}`)
  const wrong = deviations(results, expected).map(id => {
    const [is, should] = [judge(results, id), expected[id]?.result ?? 'pass']
    const message = results[id].result === true ? '' : `: ${results[id].result.join(', ')}`
    return `${id} (${results[id].kind}) is ${is}, expected ${should}${message}`
  })
  const unknown = Object.keys(expected).filter(id => !results[id] && !isLater)
  wrong.push(...unknown.map(id => `${id} is expected to ${expected[id].result}, and is not in the suite`))
  if (wrong.length > 0) fail(`${wrong.length} deviate from tests/conformance/expectations.json:\n  ${wrong.join('\n  ')}`)
  console.log(`conformance: ok, as ${here('expectations.json').split('/').slice(-3).join('/')} expects`)
}

setTimeout(() => fail(`it took more than ${patience} s`), patience * 1000).unref()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => fail(`ended by ${signal}`))
main().then(() => process.exit(0), error => fail(error.stack))

/* A gesso of our own, in a data folder of our own, killed and started again at will. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { option, sleep } from './runner.mjs'

export const gesso = path.resolve(option('gesso', new URL('../../../build/gesso', import.meta.url).pathname))

export class Server {
  constructor({ args = [], folder, prefix = [] } = {}) {
    this.args = args
    this.prefix = prefix /* a command that runs it */
    this.own = folder === undefined
    this.folder = folder ?? fs.mkdtempSync(path.join(os.tmpdir(), 'gesso-'))
    this.port = Number(option('port', 0))
    this.log = ''
  }

  /* Port 0 the first time; the same again afterwards, because clients come back to it. */
  async start() {
    this.log = ''
    const [command, ...first] = [...this.prefix, gesso]
    this.process = spawn(command, [...first, 'serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.folder, ...this.args],
      { stdio: ['ignore', 'ignore', 'pipe'] })
    this.exited = new Promise((resolve) => this.process.on('exit', (code, signal) => resolve({ code, signal })))
    let gone = null
    this.exited.then((how) => { gone = how })
    this.process.stderr.on('data', (bytes) => { this.log += bytes })
    for (;;) {
      const url = /event=listening url="?http:\/\/[^" ]*:(\d+)/.exec(this.log)
      if (url) {
        this.port = Number(url[1])
        return this
      }
      if (gone) throw new Error(`gesso did not start (${JSON.stringify(gone)}): ${this.log}`)
      await sleep(5)
    }
  }

  get ws() { return `ws://127.0.0.1:${this.port}` }
  get http() { return `http://127.0.0.1:${this.port}` }

  /* kill -9: nothing is said, nothing is flushed. */
  kill() {
    this.process.kill('SIGKILL')
    return this.exited
  }

  stop() {
    this.process.kill('SIGTERM')
    return this.exited
  }

  async metric(name) {
    const text = await (await fetch(`${this.http}/metrics`)).text()
    const line = new RegExp(`^gesso_${name} (\\S+)$`, 'm').exec(text)
    if (!line) throw new Error(`there is no metric ${name}`)
    return Number(line[1])
  }

  /* Bytes of the database and what belongs to it. */
  diskBytes() {
    let sum = 0
    for (const name of fs.readdirSync(this.folder)) {
      const stat = fs.statSync(path.join(this.folder, name))
      if (stat.isFile()) sum += stat.size
    }
    return sum
  }

  async discard() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) await this.kill()
    if (this.own) fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

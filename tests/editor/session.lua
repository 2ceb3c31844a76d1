-- One session in a real, headless Neovim: diagnostics, hints, hover, lens, code action, write.
-- Writes what it saw as JSON to $BITLENS_SEEN and always quits.
local configuration = dofile(vim.env.BITLENS_CONFIGURATION)
configuration.cmd = vim.json.decode(vim.env.BITLENS_COMMAND)
configuration.init_options = { trusted = true }
vim.lsp.config("bitlens", configuration)
vim.lsp.enable("bitlens")

local seen = {}
local patience = 120000

local function finish()
  local file = assert(io.open(vim.env.BITLENS_SEEN, "w"))
  file:write(vim.json.encode(seen))
  file:close()
  vim.cmd("qall!")
end

local function wait(what, look)
  local found
  vim.wait(patience, function()
    found = look()
    return found ~= nil and found ~= false
  end, 50)
  if not found then
    seen.failed = what
    finish()
  end
  return found
end

local function request(client, method, extra)
  local position = vim.lsp.util.make_position_params(0, client.offset_encoding)
  local params = vim.tbl_extend("force", { textDocument = position.textDocument }, extra or {})
  local answer = client:request_sync(method, params, patience, 0)
  return answer and answer.result
end

local ok, message = pcall(function()
  vim.cmd.edit(vim.env.BITLENS_FILE)
  local client = wait("client", function()
    return vim.lsp.get_clients({ name = "bitlens", bufnr = 0 })[1]
  end)
  wait("initialized", function() return client.initialized end)
  seen.encoding = client.offset_encoding

  local diagnostics = wait("diagnostics", function()
    local all = vim.diagnostic.get(0)
    return #all > 0 and all
  end)
  seen.diagnostics = vim.tbl_map(function(d) return { code = d.code, lnum = d.lnum, col = d.col } end, diagnostics)

  client:exec_cmd({ command = "bitlens.measure", arguments = { vim.uri_from_bufnr(0) } })
  local hints = wait("hints", function()
    local all = vim.lsp.inlay_hint.get({ bufnr = 0 })
    for _, hint in ipairs(all) do
      for _, part in ipairs(hint.inlay_hint.label) do
        if part.value:find("int8", 1, true) then return all end
      end
    end
  end)
  seen.hints = vim.tbl_map(function(hint)
    local label = table.concat(vim.tbl_map(function(part) return part.value end, hint.inlay_hint.label))
    return { line = hint.inlay_hint.position.line, character = hint.inlay_hint.position.character, label = label }
  end, hints)

  local line = tonumber(vim.env.BITLENS_LINE)
  local hover = request(client, "textDocument/hover", { position = { line = line, character = 24 } })
  seen.hover = hover and hover.contents.value
  seen.lenses = vim.tbl_map(function(lens) return lens.command.title end, request(client, "textDocument/codeLens") or {})

  vim.api.nvim_win_set_cursor(0, { diagnostics[1].lnum + 1, diagnostics[1].col })
  vim.lsp.buf.code_action({
    apply = true,
    context = { only = { "quickfix" }, diagnostics = vim.lsp.diagnostic.from({ diagnostics[1] }) },
  })
  wait("edit", function() return vim.bo.modified end)
  vim.cmd.write()
end)
if not ok then seen.failed = message end
finish()

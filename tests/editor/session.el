;;; A session in Emacs in batch mode, with the configuration that we give to its users.  -*- lexical-binding: t -*-

(load (getenv "BITLENS_CONFIGURATION"))
(setq bitlens-command (append (json-parse-string (getenv "BITLENS_COMMAND") :array-type 'list) nil)
      eglot-sync-connect t
      eglot-connect-timeout 120
      eglot-autoreconnect nil)

(defvar seen nil "What is written to BITLENS_SEEN.")

(defun note (name value)
  "Remember VALUE under NAME."
  (push (cons name value) seen))

(defun wait-for (what)
  "The first answer of WHAT that is not nil, for two minutes."
  (let ((found nil) (end (time-add nil 120)))
    (while (and (not (setq found (funcall what))) (time-less-p nil end))
      (accept-process-output nil 0.2))
    (or found (error "nothing came"))))

(defun place ()
  "The caret, as the protocol wants it."
  (eglot--TextDocumentPositionParams))

(defun titles ()
  "Titles of the code actions on this line."
  (mapcar (lambda (action) (plist-get action :title))
          (jsonrpc-request (eglot--current-server-or-lose) :textDocument/codeAction
                           (list :textDocument (eglot--TextDocumentIdentifier)
                                 :range (list :start (eglot--pos-to-lsp-position)
                                              :end (eglot--pos-to-lsp-position))
                                 :context '(:diagnostics [])))))

(condition-case problem
    (progn
      (find-file (getenv "BITLENS_FILE"))
      (unless (eglot-current-server) (apply #'eglot (eglot--guess-contact)))
      (note 'diagnostics
            (vconcat (mapcar #'flymake-diagnostic-text
                             (wait-for (lambda () (flymake-start) (flymake-diagnostics))))))
      (goto-char (point-min))
      (search-forward "nn.Linear")
      (bitlens-measure)
      (note 'hover
            (wait-for (lambda ()
                        (let ((hover (jsonrpc-request (eglot--current-server-or-lose) :textDocument/hover (place))))
                          (and (string-match-p "weight error" (format "%s" hover)) (format "%s" hover))))))
      (bitlens-model-tree)
      (note 'tree (with-current-buffer "*bitlens*" (buffer-string)))
      (search-forward "plain = Net()")
      (note 'actions (vconcat (titles)))
      (eglot-shutdown (eglot-current-server)))
  (error (note 'failed (error-message-string problem))))

(with-temp-file (getenv "BITLENS_SEEN")
  (insert (json-serialize seen)))

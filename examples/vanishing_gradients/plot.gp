# In a folder with flow.csv (path,state,layer,direction,call,step,norm) and spectrum.csv (cell,matrix,real,imaginary).
set datafile separator ','
set terminal svg size 900,520 font 'sans-serif,13' background rgb 'white'
names = "'tanh RNN' 'IRNN' 'GRU' 'LSTM' 'open LSTM'"
array colour[5] = ['#d1495b', '#edae49', '#66a182', '#1f4e8c', '#8d6bb0']
of(column, name) = strcol(column) eq name && strcol(2) eq 'h'

set output 'flow.svg'
set title 'How much of the gradient is left, going back in time'
set xlabel 'time step t (the loss is after the last)'
set ylabel '‖∂loss/∂h_t‖'
set logscale y
set format y '10^{%T}'
set grid
set key outside right
plot for [i = 1:5] 'flow.csv' using (of(1, word(names, i)) ? $6 : NaN):7 \
  with lines lw 3 lc rgb colour[i] title word(names, i)

set output 'spectrum.svg'
set terminal svg size 700,640 font 'sans-serif,13' background rgb 'white'
unset logscale
set autoscale
set format y '%g'
set title 'Eigenvalues of one step, ∂state′/∂state; what is far inside the circle is forgotten'
set xlabel 'real'
set ylabel 'imaginary'
set size ratio -1
set xrange [-1.15:1.15]
set yrange [-1.15:1.15]
set samples 500
set key outside below
plot sqrt(1 - x ** 2) with lines lc rgb '#999999' title 'modulus 1', \
  -sqrt(1 - x ** 2) with lines lc rgb '#999999' notitle, \
  for [i = 1:5] 'spectrum.csv' using (strcol(1) eq word(names, i) && strcol(2) eq 'step' ? $3 : NaN):4 \
  with points pt 7 ps 0.6 lc rgb colour[i] title word(names, i)
